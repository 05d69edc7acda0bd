"""The TFLite detector: from a frame to labelled boxes."""
