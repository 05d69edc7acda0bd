"""A simulated world with exact ground truth, rendered well enough that the real detector sees it."""
