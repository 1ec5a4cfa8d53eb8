"""The views of the native door, one module a subject."""
