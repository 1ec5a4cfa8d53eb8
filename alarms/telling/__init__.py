"""Whom alarms tell: receivers by name, and routes, by which several are told at once."""
