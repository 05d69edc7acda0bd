"""Health: whether the picture, the machine and the mount are fit to be trusted."""
