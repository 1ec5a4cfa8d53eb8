"""Fault tests: real processes, broken on purpose, and the books compared afterwards."""
