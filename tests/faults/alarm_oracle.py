"""Compares alarms, history, outbox and the receiver's book: is every transition there exactly
once, and every message sent at least once, under one key, in order?

Asked after healing and quiescence. `judge` is pure; `ask` reads the database.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from tests.faults.receiver import Receipt

INITIAL = "insufficient data"


class Alarm(NamedTuple):
    state: str
    version: int
    actions: dict[str, int]


class Change(NamedTuple):
    """A history row that concerns the state."""

    alarm: UUID
    version: int
    before: str
    after: str
    by_evaluator: bool


class Message(NamedTuple):
    key: str
    alarm: UUID
    version: int
    action: int
    repeat: int
    status: str


@dataclass
class Stored:
    alarms: dict[UUID, Alarm]
    changes: Sequence[Change]
    messages: Sequence[Message]


@dataclass
class Verdict:
    """Empty lists everywhere is a pass. `again` counts deliveries beyond the first: at least
    once is what is promised, but each must bear the same key."""

    broken_chains: list[Any] = field(default_factory=list)
    lost: list[Any] = field(default_factory=list)
    ghost: list[Any] = field(default_factory=list)
    out_of_order: list[Any] = field(default_factory=list)
    transitions: int = 0
    messages: int = 0
    again: int = 0

    @property
    def clean(self) -> bool:
        return not (self.broken_chains or self.lost or self.ghost or self.out_of_order)

    def __str__(self) -> str:
        parts = [f"{self.transitions} transitions, {self.messages} messages, {self.again} again"]
        for name in ("broken_chains", "lost", "ghost", "out_of_order"):
            found = getattr(self, name)
            if found:
                parts.append(f"{len(found)} {name}, for example {found[:3]}")
        return "; ".join(parts)


SELECT_ALARMS = """
SELECT id, state, state_version, cardinality(ok_actions), cardinality(alarm_actions),
       cardinality(insufficient_data_actions) FROM alarms_alarm
"""
SELECT_CHANGES = """
SELECT alarm_id, state_version, from_state, to_state, detail ? 'transition_reason'
FROM alarms_alarmhistory WHERE state_version IS NOT NULL ORDER BY alarm_id, state_version
"""
SELECT_MESSAGES = """
SELECT id::text, alarm_id, state_version, action_no, repeat_no, status
FROM alarms_notification WHERE NOT is_test
"""


def ask(database_url: str) -> Stored:
    with psycopg.connect(database_url) as connection:
        alarms = {
            row[0]: Alarm(row[1], row[2], {"ok": row[3], "alarm": row[4], INITIAL: row[5]})
            for row in connection.execute(SELECT_ALARMS)
        }
        changes = [Change(*row) for row in connection.execute(SELECT_CHANGES)]
        messages = [Message(*row) for row in connection.execute(SELECT_MESSAGES)]
    return Stored(alarms, changes, messages)


def judge(stored: Stored, received: Iterable[Receipt]) -> Verdict:
    verdict = Verdict(
        transitions=sum(one.before != one.after for one in stored.changes),
        messages=len(stored.messages),
    )
    _judge_chains(stored, verdict)
    _judge_outbox(stored, verdict)
    _judge_receiver(stored, list(received), verdict)
    return verdict


def _judge_chains(stored: Stored, verdict: Verdict) -> None:
    """Versions 1, 2, 3 … without a gap, each from where the one before went, to the state."""
    chains: dict[UUID, list[Change]] = defaultdict(list)
    for change in stored.changes:
        chains[change.alarm].append(change)
    for alarm, chain in chains.items():
        versions = [change.version for change in chain]
        states = [INITIAL, *(change.after for change in chain)]
        chained = all(change.before == state for change, state in zip(chain, states, strict=False))
        if versions != list(range(1, len(chain) + 1)) or not chained:
            verdict.broken_chains.append((alarm, chain))
        now = stored.alarms.get(alarm)
        if now and (now.version, now.state) != (versions[-1], states[-1]):
            verdict.broken_chains.append((alarm, now, chain[-1]))
    for alarm, now in stored.alarms.items():
        if now.version and alarm not in chains:
            verdict.broken_chains.append((alarm, now))


def _judge_outbox(stored: Stored, verdict: Verdict) -> None:
    """Each transition of the evaluator has its messages, and no message is without one."""
    rows = Counter((one.alarm, one.version) for one in stored.messages if not one.repeat)
    wanted = {
        (one.alarm, one.version): stored.alarms[one.alarm].actions[one.after]
        for one in stored.changes
        if one.by_evaluator and one.alarm in stored.alarms
    }
    verdict.lost += [("outbox", key) for key, count in wanted.items() if rows[key] != count]
    known = {(one.alarm, one.version) for one in stored.changes if one.by_evaluator}
    verdict.ghost += [("outbox", key) for key in rows if key not in known]


def _judge_receiver(stored: Stored, received: list[Receipt], verdict: Verdict) -> None:
    """What is called delivered was answered with 2xx; what arrived was asked for; in order."""
    good = Counter(one.key for one in received if 200 <= one.status < 300)
    verdict.again = sum(good.values()) - len(good)
    by_key = {one.key: one for one in stored.messages}
    for message in stored.messages:
        if message.status != "delivered" or not good[message.key]:
            verdict.lost.append(("receiver", message))
    verdict.ghost += [("receiver", one) for one in received if one.key not in by_key]
    order: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    seen = set()
    for one in received:
        if 200 <= one.status < 300 and one.key in by_key and one.key not in seen:
            seen.add(one.key)
            message = by_key[one.key]
            order[one.alarm_id, one.path].append((message.version, message.repeat))
    verdict.out_of_order += [
        (pair, before, after)
        for pair, versions in order.items()
        for before, after in pairwise(versions)
        if after <= before
    ]
