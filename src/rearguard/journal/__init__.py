"""The near-miss log: SQLite and pictures, written beside the warning path, never in it."""
