"""One cycle of the evaluator: claim, look, decide, write.

Several evaluators share without knowing of each other. Claiming moves `evaluate_at` on, under
SKIP LOCKED, so each alarm is looked at by one of them at a time, and one that dies costs its
alarms one turn. Nothing is held while it looks. What it decides is written by comparing
`state_version`, `definition_version` and `evaluate_at` with what it claimed: whoever was faster
(a person, or another evaluator while this one was frozen) wins, and the decision is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

import msgspec
import numpy as np
import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from psycopg.errors import QueryCanceled

from alarms import rules
from alarms.choices import State, Type
from alarms.definition import SeriesRule, parse_series_rule
from alarms.errors import AlarmingError
from alarms.evaluator import counting, metrics
from alarms.evaluator.claims import (
    SHARD_SIZE,
    Claimed,
    claim,
    note_failure,
    note_undecidable,
    recover,
)
from alarms.evaluator.looking import View, look_at
from alarms.evaluator.selection import Subject
from alarms.evaluator.transitions import Decision, write
from telemetry_site.failpoints import failpoint

log = structlog.get_logger(__name__)

#: Types that can be decided.
EVALUATED = frozenset({Type.RESOURCE_THRESHOLD.value, Type.GROUP_THRESHOLD.value})

_OVERDUE = """
SELECT state, count(*), count(*) FILTER (WHERE evaluate_at <= now())
FROM alarms_alarm WHERE enabled GROUP BY state
"""


def evaluate_due() -> int:
    """Evaluate every alarm that is due; returns how many. Raises where the database is away."""
    total = 0
    while claimed := claim():
        failpoint("evaluator.after_claim")
        began = time.monotonic()
        note_undecidable([one for one in claimed if one.type not in EVALUATED])
        _evaluate([one for one in claimed if one.type in EVALUATED])
        metrics.SHARD.observe(time.monotonic() - began)
        total += len(claimed)
        if len(claimed) < SHARD_SIZE:
            break
    _count_states()
    return total


def _evaluate(claimed: Sequence[Claimed]) -> None:
    """All together; where that fails by halves, down to the alarm at fault (E6)."""
    if not claimed:
        return
    try:
        _evaluate_together(claimed)
    except (DatabaseError, InterfaceError, AlarmingError, ValueError, ArithmeticError) as error:
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
    subjects = [Subject(_rule(one.type, one.rule), one.seen_project) for one in claimed]
    view = look_at(subjects, claimed[0].now)
    write(_decisions(claimed, view))
    recover(claimed)
    counting.count(claimed, view.numbers)
    _count(claimed, view, time.monotonic() - began)


@lru_cache(maxsize=100_000)
def _rule(alarm_type: str, text: str) -> SeriesRule:
    return parse_series_rule(alarm_type, msgspec.json.decode(text))


def _decisions(claimed: Sequence[Claimed], view: View) -> list[Decision]:
    states = np.array([one.state for one in claimed])
    repeats = np.array([one.repeat_actions for one in claimed], dtype=np.bool_)
    decisions = []
    for place in np.flatnonzero(rules.eventful(states, repeats, view.numbers)).tolist():
        one = claimed[place]
        verdict = rules.decide(one.state, one.repeat_actions, view.look(place))
        assert verdict is not None
        decisions.append(Decision(one, verdict))
    return decisions + _reasons(claimed, view, {one.claimed.id for one in decisions})


def _reasons(claimed: Sequence[Claimed], view: View, decided: set[UUID]) -> list[Decision]:
    """Alarms that stay without data, but now for another reason than they show.

    aodh leaves "Not evaluated yet" there for ever; its users could not tell why (LP 1974682).
    """
    unknown = [
        (place, one)
        for place, one in enumerate(claimed)
        if one.state == State.INSUFFICIENT_DATA and view.problems[place]
    ]
    return [
        Decision(one, None, view.problems[place])
        for place, one in unknown
        if one.id not in decided and one.state_reason != view.problems[place]
    ]


def _count(claimed: Sequence[Claimed], view: View, took_s: float) -> None:
    enough = int(view.numbers.enough.sum())
    metrics.EVALUATIONS.labels("threshold", "ok").inc(enough)
    metrics.EVALUATIONS.labels("threshold", "insufficient").inc(len(claimed) - enough)
    delay = metrics.DELAY.labels("threshold")
    for one in claimed:
        delay.observe((one.now - one.was_due) / 1e6 + took_s)


def _count_states() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_OVERDUE)
        rows = cursor.fetchall()
    counts = {state: count for state, count, _ in rows}
    for state in State.values:
        metrics.ALARMS.labels(state).set(counts.get(state, 0))
    metrics.OVERDUE.set(sum(overdue for _, _, overdue in rows))
