"""Picture sources: files, webcams, picamera2 and the simulated world, one interface."""
