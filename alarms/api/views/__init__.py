"""The views of alarms and notifications, one module a subject."""
