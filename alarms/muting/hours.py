"""Quiet hours of an alarm's policy: while one of `mute` is open nothing is sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from alarms.definition.constraints import parse_constraints
from alarms.models import Alarm
from alarms.opening import is_open
from telemetry_site.database import database_now


def is_muted(policy: Mapping[str, Any] | None, now: datetime | None = None) -> bool:
    """At an instant of the database's clock; None: now."""
    mute = (policy or {}).get("mute")
    if not mute:
        return False
    return is_open(parse_constraints(mute, "policy.mute"), now or database_now())


def muted_now(alarm_ids: Collection[UUID]) -> set[UUID]:
    rows = Alarm.objects.filter(pk__in=alarm_ids, policy__has_key="mute")
    policies = list(rows.values_list("pk", "policy"))
    now = database_now() if policies else None
    return {pk for pk, policy in policies if is_muted(policy, now)}
