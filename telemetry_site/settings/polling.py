"""Settings of polling: the cloud that agents poll and their login there, and what they run."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

NAMESPACES = ("compute", "ipmi")


def check_namespaces(names: list[str]) -> list[str]:
    """Raises `ImproperlyConfigured`: an agent that runs and polls nothing would not be seen."""
    for name in names:
        if name not in NAMESPACES:
            raise ImproperlyConfigured(
                f"TELEMETRY_COMPUTE_NAMESPACES has {name!r}; there are {', '.join(NAMESPACES)}."
            )
    return names
