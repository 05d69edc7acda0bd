"""The trace of an outing: every frame as numbers, enough to judge it again without pictures."""
