"""The alarming API: what aodh's clients speak, under ``/alarming/v2`` (alarms.md 1)."""
