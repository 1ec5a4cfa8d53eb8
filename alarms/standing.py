"""Where alarms with a policy stand between their states, for people and programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from alarms import policies
from alarms.evaluator.policing import memory_of
from alarms.models import Alarm, PolicyMemory
from alarms.muting.marks import Mark, marks
from alarms.policies import Memory
from telemetry_site.clock import from_us


class Standing(NamedTuple):
    """`phase` as in `alarms.policies.Phase`; `fired_at` is when actions were last taken; `acked_by`
    is a name, the others are silences and firing alarms that hold this one's messages back."""

    phase: str
    since: datetime
    fired_at: datetime | None
    acked_by: str | None
    silenced_by: list[UUID]
    inhibited_by: list[UUID]


def standings(alarms: Iterable[Alarm]) -> dict[UUID, Standing]:
    """Of those that have a policy: as the last evaluation left them."""
    asked = {alarm.pk: alarm for alarm in alarms if alarm.policy is not None}
    known = marks(asked)
    return {pk: _standing(alarm, known[pk]) for pk, alarm in asked.items()}


def _standing(alarm: Alarm, mark: Mark) -> Standing:
    memory = _memory(alarm)
    name, since = policies.phase(alarm.state, memory)
    return Standing(
        name,
        alarm.state_timestamp if since is None else from_us(since),
        None if memory.fired_at is None else from_us(memory.fired_at),
        mark.ack.created_by if mark.ack else None,
        mark.silenced_by,
        mark.inhibited_by,
    )


def _memory(alarm: Alarm) -> Memory:
    """That of another definition of the alarm knows only when actions were last taken."""
    try:
        row = alarm.policy_memory
    except PolicyMemory.DoesNotExist:
        return Memory()
    memory = memory_of(row)
    is_current = row.definition_version == alarm.definition_version
    return memory if is_current else Memory(fired_at=memory.fired_at)
