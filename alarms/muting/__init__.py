"""Messages that are not sent: silences, inhibitions, acknowledgements (alarms.md 8.2)."""
