"""The event API: what panko's clients speak, under ``/event/v2`` (telemetry-api.md 7)."""
