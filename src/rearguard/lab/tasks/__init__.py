"""Long work in small tasks: on all cores, surviving what kills a worker."""
