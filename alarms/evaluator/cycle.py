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

import msgspec
import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from psycopg.errors import QueryCanceled

from alarms.choices import State
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

_OVERDUE = """
SELECT state, count(*), count(*) FILTER (WHERE evaluate_at <= now() AND type <> 'event')
FROM alarms_alarm WHERE enabled GROUP BY state
"""


def evaluate_due() -> int:
    """Evaluate every alarm that is due; returns how many. Raises where the database is away."""
    total = 0
    while claimed := claim():
        failpoint("evaluator.after_claim")
        began = time.monotonic()
        note_undecidable([one for one in claimed if not is_evaluated(one.type)])
        ours = [one for one in claimed if is_evaluated(one.type) and _is_open(one)]
        _evaluate([one for one in ours if not TYPES[one.type].asks_others])
        _evaluate([one for one in ours if TYPES[one.type].asks_others])
        metrics.SHARD.observe(time.monotonic() - began)
        total += len(claimed)
        if len(claimed) < SHARD_SIZE:
            break
    _count_states()
    return total


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
        rule = _rule(one.type, one.rule)
        own = policed.get(one.id)
        if own:
            rule = policing.rule_for(rule, own.policy, one.state)
        kind = TYPES[one.type]
        families[kind].append(Case(one, rule, len(subjects), own))
        for part in kind.parts(rule):
            subjects.append(Subject(part, one.seen_project))
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
def _rule(alarm_type: str, text: str) -> Rule:
    return parse_rule(alarm_type, msgspec.json.decode(text))


def _count_states() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_OVERDUE)
        rows = cursor.fetchall()
    counts = {state: count for state, count, _ in rows}
    for state in State.values:
        metrics.ALARMS.labels(state).set(counts.get(state, 0))
    metrics.OVERDUE.set(sum(overdue for _, _, overdue in rows))
