"""The small parent process: owns the pins, plays cues, watches vision."""
