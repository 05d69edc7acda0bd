"""The class-agnostic channel: patches of the picture that expand."""
