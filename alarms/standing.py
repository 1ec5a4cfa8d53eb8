"""Where alarms with a policy stand between their states, for people and programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from alarms import policies
from alarms.evaluator.policing import memory_of
from alarms.models import PolicyMemory
from alarms.muting.marks import Mark, marks
from alarms.policies import Memory
from telemetry_site.clock import from_us

#: An alarm, or a row with its fields: `id`, `policy`, `definition_version` and those of its state.
AlarmRow = Any


class Standing(NamedTuple):
    """`phase` as in `alarms.policies.Phase`; `fired_at` is when actions were last taken; `acked_by`
    is a name, the others are silences and firing alarms that hold this one's messages back."""

    phase: str
    since: datetime
    fired_at: datetime | None
    acked_by: str | None
    silenced_by: list[UUID]
    inhibited_by: list[UUID]


def standings(alarms: Iterable[AlarmRow]) -> dict[UUID, Standing]:
    """Of those that have a policy: as the last evaluation left them."""
    asked = {alarm.id: alarm for alarm in alarms if alarm.policy is not None}
    if not asked:
        return {}
    known = marks(asked)
    stored = PolicyMemory.objects.in_bulk(list(asked))
    return {pk: _standing(alarm, known[pk], stored.get(pk)) for pk, alarm in asked.items()}


def _standing(alarm: AlarmRow, mark: Mark, stored: PolicyMemory | None) -> Standing:
    memory = _memory(alarm, stored)
    name, since = policies.phase(alarm.state, memory)
    return Standing(
        name,
        alarm.state_timestamp if since is None else from_us(since),
        None if memory.fired_at is None else from_us(memory.fired_at),
        mark.ack.created_by if mark.ack else None,
        mark.silenced_by,
        mark.inhibited_by,
    )


def _memory(alarm: AlarmRow, stored: PolicyMemory | None) -> Memory:
    """That of another definition of the alarm knows only when actions were last taken."""
    if stored is None:
        return Memory()
    memory = memory_of(stored)
    is_current = stored.definition_version == alarm.definition_version
    return memory if is_current else Memory(fired_at=memory.fired_at)
