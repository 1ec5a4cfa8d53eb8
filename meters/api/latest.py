"""The last value of each metric in a list, and how old it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meters import ownership
from meters.models import Metric
from meters.store.read import latest_points
from telemetry_site import clock
from telemetry_site.auth.principal import Principal


def attach_last(principal: Principal, metrics: Sequence[Metric]) -> None:
    """Give each metric an attribute `last`: {timestamp, value, age_s} or None."""
    latest = latest_points([metric.pk for metric in metrics])
    latest = ownership.of(principal, metrics).restrict_latest(latest)
    now = clock.now()
    for metric in metrics:
        last: dict[str, Any] | None = None
        if metric.pk in latest:
            timestamp, value = latest[metric.pk]
            age_s = round((now - timestamp).total_seconds(), 3)
            last = {"timestamp": timestamp, "value": value, "age_s": age_s}
        metric.last = last  # type: ignore[attr-defined]
