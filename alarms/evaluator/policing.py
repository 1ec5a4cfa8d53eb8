"""Policies of claimed alarms with what is remembered of them (alarms.md 8.2).

Alarms without a policy have no part in this: no query is made for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec

from alarms import policies
from alarms.choices import State
from alarms.definition import Part, Rule
from alarms.definition.policy import Policy, read_policy
from alarms.evaluator.claims import Claimed
from alarms.models import PolicyMemory
from alarms.policies import Memory, Outcome, Sight
from telemetry_site.clock import from_us, to_us

_TIMES = ("pending_since", "recovering_since", "no_data_since", "fired_at")


class Policed(NamedTuple):
    """A claimed alarm's policy, and what is remembered; `is_stored`: in a row that says so."""

    policy: Policy
    memory: Memory = Memory()
    is_stored: bool = False

    def decide(self, one: Claimed, seen: Sight) -> Outcome:
        return policies.decide(
            self.policy, self.memory, one.state, one.repeat_actions, seen, one.now
        )

    def changed(self, memory: Memory) -> Memory | None:
        """What is to be stored; None: nothing new."""
        is_known = memory == self.memory and (self.is_stored or memory == Memory())
        return None if is_known else memory


def load(claimed: Iterable[Claimed]) -> dict[UUID, Policed]:
    """Of those that have a policy. Raises `DefinitionError` for one that can't be read."""
    some = {one.id: one for one in claimed if one.policy is not None}
    if not some:
        return {}
    found = {one.id: Policed(_policy(one.policy)) for one in some.values() if one.policy}
    for row in PolicyMemory.objects.filter(pk__in=list(some)):
        one = some[row.alarm_id]
        is_own = row.definition_version == one.definition_version
        memory = memory_of(row) if is_own else Memory(fired_at=memory_of(row).fired_at)
        found[one.id] = found[one.id]._replace(memory=memory, is_stored=is_own)
    return found


def memory_of(row: PolicyMemory) -> Memory:
    moments = (getattr(row, name) for name in _TIMES)
    return Memory(*(None if moment is None else to_us(moment) for moment in moments))


def save(changed: Sequence[tuple[Claimed, Memory]]) -> None:
    """Within the transaction that holds the alarms' rows."""
    PolicyMemory.objects.bulk_create(
        [
            PolicyMemory(
                alarm_id=one.id,
                definition_version=one.definition_version,
                **{
                    name: None if moment is None else from_us(moment)
                    for name, moment in memory._asdict().items()
                },
            )
            for one, memory in changed
        ],
        update_conflicts=True,
        unique_fields=["alarm"],
        update_fields=["definition_version", *_TIMES],
    )


def rule_for(rule: Rule, policy: Policy, state: str) -> Rule:
    """The rule with the limit that counts: while the alarm fires that may be another."""
    limit = policy.recovery_threshold
    if limit is None or state != State.ALARM or not isinstance(rule, Part):
        return rule
    return msgspec.structs.replace(rule, threshold=limit)


@lru_cache(maxsize=10_000)
def _policy(text: str) -> Policy:
    return read_policy(msgspec.json.decode(text))
