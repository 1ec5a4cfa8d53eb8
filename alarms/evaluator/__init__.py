"""Decides the states of alarms: claim, read all at once, decide, write what changed."""
