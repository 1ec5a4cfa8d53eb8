"""The views of the alarming API, one module a subject."""
