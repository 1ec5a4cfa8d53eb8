"""One cycle of the evaluator: claim, look, decide, write.

Several evaluators share without knowing of each other. Claiming moves `evaluate_at` on, under
SKIP LOCKED, so each alarm is looked at by one of them at a time, and one that dies costs its
alarms one turn. Nothing is held while it looks. What it decides is written by comparing
`state_version`, `definition_version` and `evaluate_at` with what it claimed: whoever was faster
(a person, or another evaluator while this one was frozen) wins, and the decision is dropped.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import structlog
from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg.errors import QueryCanceled

from alarms.definition import Rule, parse_rule
from alarms.definition.constraints import TimeConstraint, parse_constraints
from alarms.errors import OF_ONE_ALARM, AlarmingError
from alarms.evaluator import counting, memory, metrics, policing
from alarms.evaluator.claims import (
    SHARD_SIZE,
    Claimed,
    claim,
    note_failure,
    note_undecidable,
    recover,
)
from alarms.evaluator.judging import Case
from alarms.evaluator.looking import look_at
from alarms.evaluator.subjects import Subject
from alarms.evaluator.transitions import Decision, write
from alarms.evaluator.types import TYPES, AlarmType, is_evaluated
from alarms.opening import is_open
from telemetry_site.clock import from_us
from telemetry_site.failpoints import failpoint

log = structlog.get_logger(__name__)


def evaluate_due() -> int:
    """Evaluate every alarm that is due; returns how many. Raises where the database is away."""
    total = 0
    while claimed := claim():
        failpoint("evaluator.after_claim")
        began = time.monotonic()
        parts = _parted(claimed)
        note_undecidable(parts.nobodys)
        _evaluate(parts.by_us)
        _evaluate(parts.by_asking)
        metrics.SHARD.observe(time.monotonic() - began)
        total += len(claimed)
        if len(claimed) < SHARD_SIZE:
            break
    return total


class _Parts(NamedTuple):
    """Claimed alarms by who can decide them; those whose constraints keep them closed in none."""

    by_us: list[Claimed]
    by_asking: list[Claimed]
    nobodys: list[Claimed]


def _parted(claimed: Sequence[Claimed]) -> _Parts:
    parts = _Parts([], [], [])
    for one in claimed:
        if not is_evaluated(one.type):
            parts.nobodys.append(one)
        elif _is_open(one):
            asks = TYPES[one.type].asks_others
            (parts.by_asking if asks else parts.by_us).append(one)
    return parts


def _is_open(one: Claimed) -> bool:
    """Whether its time constraints let it be evaluated. Those that can't be read are its fault."""
    if one.time_constraints == "[]":
        return True
    try:
        return is_open(_constraints(one.time_constraints), from_us(one.now))
    except AlarmingError as error:
        note_failure(one, error)
        return False


@lru_cache(maxsize=10_000)
def _constraints(text: str) -> tuple[TimeConstraint, ...]:
    return tuple(parse_constraints(msgspec.json.decode(text)))


def _evaluate(claimed: Sequence[Claimed]) -> None:
    """All together; where that fails by halves, down to the alarm at fault (E6)."""
    if not claimed:
        return
    try:
        _evaluate_together(claimed)
    except (DatabaseError, InterfaceError, *OF_ONE_ALARM) as error:
        if _is_away(error):
            raise
        if len(claimed) == 1:
            note_failure(claimed[0], error)
            return
        log.warning("a set of alarms failed, trying halves", alarms=len(claimed), error=str(error))
        middle = len(claimed) // 2
        _evaluate(claimed[:middle])
        _evaluate(claimed[middle:])


def _is_away(error: Exception) -> bool:
    """Whether the database is at fault, not an alarm: a cancelled query is an alarm's."""
    away = isinstance(error, OperationalError | InterfaceError)
    return away and not isinstance(error.__cause__, QueryCanceled)


def _evaluate_together(claimed: Sequence[Claimed]) -> None:
    began = time.monotonic()
    families: dict[AlarmType, list[Case]] = defaultdict(list)
    subjects: list[Subject] = []
    policed = policing.load(claimed)
    for one in claimed:
        kind, rule, parts = _looked_at(one.type, one.rule, one.seen_project)
        own = policed.get(one.id) if policed else None
        if own:
            rule = policing.rule_for(rule, own.policy, one.state)
            parts = _subjects(kind, rule, one.seen_project)
        families[kind].append(Case(one, rule, len(subjects), own))
        subjects += parts
    view = look_at(subjects, claimed[0].now)
    judged = {kind: kind.judge(cases, view) for kind, cases in families.items()}
    decisions: list[Decision] = [one for each in judged.values() for one in each.decisions]
    write(decisions)
    memory.save([one for each in judged.values() for one in each.memories])
    recover(claimed)
    for kind, one_family in judged.items():
        took_s = time.monotonic() - began
        counting.count(kind.family, families[kind], one_family, took_s)


@lru_cache(maxsize=100_000)
def _looked_at(
    alarm_type: str, text: str, seen_project: str | None
) -> tuple[AlarmType, Rule, Sequence[Subject]]:
    kind, rule = TYPES[alarm_type], parse_rule(alarm_type, msgspec.json.decode(text))
    return kind, rule, _subjects(kind, rule, seen_project)


def _subjects(kind: AlarmType, rule: Rule, seen_project: str | None) -> Sequence[Subject]:
    return [Subject(part, seen_project) for part in kind.parts(rule)]
