"""The rearguard command."""
