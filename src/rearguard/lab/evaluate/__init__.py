"""Measuring detectors: labelled pictures, average precision, and where the time goes."""
