"""Pure judgement: tracks in, verdict out; no I/O, no clock, no hardware."""
