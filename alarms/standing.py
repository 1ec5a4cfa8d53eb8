"""Where an alarm with a policy stands between its states, for people and programs."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from alarms import policies
from alarms.evaluator.policing import memory_of
from alarms.models import Alarm, PolicyMemory
from alarms.policies import Memory
from telemetry_site.clock import from_us


class Standing(NamedTuple):
    """`phase` as in `alarms.policies.Phase`; `fired_at` is when actions were last taken."""

    phase: str
    since: datetime
    fired_at: datetime | None


def standing(alarm: Alarm) -> Standing:
    """As the last evaluation left it."""
    try:
        row = alarm.policy_memory
    except PolicyMemory.DoesNotExist:
        return of_memory(alarm, Memory())
    memory = memory_of(row)
    if row.definition_version != alarm.definition_version:
        memory = Memory(fired_at=memory.fired_at)
    return of_memory(alarm, memory)


def of_memory(alarm: Alarm, memory: Memory) -> Standing:
    name, since = policies.phase(alarm.state, memory)
    return Standing(
        name,
        alarm.state_timestamp if since is None else from_us(since),
        None if memory.fired_at is None else from_us(memory.fired_at),
    )
