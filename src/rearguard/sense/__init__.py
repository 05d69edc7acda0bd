"""The gyroscope, where there is one: its rates, and what they say of the camera's turn beside the picture."""
