"""The process that sees: camera, detect, track, judge, journal."""
