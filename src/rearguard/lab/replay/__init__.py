"""Replay: what was once seen goes through the rules again, under other settings."""
