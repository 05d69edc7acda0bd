"""Tracks over time, with time to collision from the log-scale Kalman filter."""
