"""Ego-motion: how the camera turned, from the flow of the background."""
