"""Quiet hours of an alarm's policy: while one of `mute` is open nothing is sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from alarms.definition.constraints import parse_constraints
from alarms.models import Alarm
from alarms.opening import is_open
from telemetry_site import clock


def is_muted(policy: Mapping[str, Any] | None) -> bool:
    mute = (policy or {}).get("mute")
    return bool(mute) and is_open(parse_constraints(mute, "policy.mute"), clock.now())


def muted_now(alarm_ids: Collection[UUID]) -> set[UUID]:
    rows = Alarm.objects.filter(pk__in=alarm_ids, policy__has_key="mute")
    return {pk for pk, policy in rows.values_list("pk", "policy") if is_muted(policy)}
