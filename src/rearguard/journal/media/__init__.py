"""Pictures, strips and clips of near misses: redacted before they are stored."""
