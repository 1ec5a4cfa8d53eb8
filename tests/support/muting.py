"""Silences for tests, made through what every door calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alarms.models import Inhibition, Silence
from alarms.muting import inhibitions, silences
from telemetry_site.clock import now


def matcher(name: str = "name", value: str = "cpu high", **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "isRegex": False, "isEqual": True} | more


def asked(*matchers: dict[str, Any], hours: float = 1, in_hours: float = 0) -> dict[str, Any]:
    """A silence as a client sends it."""
    start = now() + timedelta(hours=in_hours)
    return {
        "matchers": list(matchers) or [matcher()],
        "startsAt": start.isoformat(),
        "endsAt": (start + timedelta(hours=hours)).isoformat(),
        "createdBy": "ada",
        "comment": "disks are being changed",
    }


def make_silence(
    *matchers: dict[str, Any], project_id: str | None = "p1", **when: float
) -> Silence:
    return silences.create(silences.check(asked(*matchers, **when)), project_id, "u1")


def end(silence: Silence) -> None:
    silences.expire(silence, "u1")


def make_inhibition(
    source: dict[str, Any], target: dict[str, Any], *equal: str, project_id: str | None = "p1"
) -> Inhibition:
    fields = {"source": [source], "target": [target], "equal": list(equal)}
    return inhibitions.create(inhibitions.check(fields), project_id, "u1")
