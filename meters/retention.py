"""How far back samples are taken and kept: the one place that knows.

Samples of a metric with an archive policy are kept as long as that says, counted from the metric's
own newest sample (`meters.store.retention`); all others by the clock, `TELEMETRY_RETENTION_DAYS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from meters.derived.series import source_of
from meters.models import Metric
from meters.store.moments import oldest_time
from telemetry_site.clock import EPOCH


def earliest(now: datetime) -> datetime:
    """Older samples are refused (K3) and deleted by the clock; 1970 where there is no retention."""
    days = settings.TELEMETRY_RETENTION_DAYS
    return now - timedelta(days=days) if 0 < days < (now - EPOCH).days else EPOCH


def begin(metrics: Sequence[Metric], now: datetime) -> datetime:
    """No sample of the metrics that is still kept is older; `now` where there is none."""
    by_clock = earliest(now)
    if by_clock > EPOCH and not any(metric.archive_policy_id for metric in metrics):
        return by_clock
    return oldest_time(sorted({source_of(metric.pk) for metric in metrics})) or now
