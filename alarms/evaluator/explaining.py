"""What an evaluation at an instant sees and says, step by step; nothing is stored."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np

from alarms.choices import NOT_HERE, Type
from alarms.definition import CompositeRule, Part, Rule, parse_rule
from alarms.definition.constraints import parse_constraints
from alarms.errors import DefinitionError
from alarms.evaluator import policing
from alarms.evaluator.claims import as_claimed
from alarms.evaluator.judging import Case
from alarms.evaluator.looking import View, look_at
from alarms.evaluator.reading import raw_points, window_of
from alarms.evaluator.selection import find
from alarms.evaluator.subjects import Found, Subject
from alarms.evaluator.transitions import Decision
from alarms.evaluator.types import TYPES, is_evaluated
from alarms.models import Alarm
from alarms.opening import is_open
from alarms.policies import Memory, Phase, phase
from alarms.rules import COMPARE, Verdict
from telemetry_site.clock import from_us, to_us


class Value(NamedTuple):
    """A bucket by its start, or an element of a vector."""

    at: datetime
    value: float
    is_outside: bool


class Point(NamedTuple):
    series: int
    at: datetime
    value: float


class Seen(NamedTuple):
    """What one rule sees in [start, stop): `series` are metrics' numbers, `points` the samples of
    the window, `values` those that are compared, `problem` why they are too few."""

    name: str
    rule: Part
    start: datetime
    stop: datetime
    series: list[int]
    points: list[Point]
    values: list[Value]
    problem: str


class Explanation(NamedTuple):
    """`verdict` None: nothing happens. `phase` and `memory` are those of an alarm with a policy, as
    this evaluation would leave them; None of others."""

    at: datetime
    rule: Rule
    is_open: bool
    seen: list[Seen]
    verdict: Verdict | None
    phase: Phase | None = None
    memory: Memory | None = None


def explain(alarm: Alarm, at: datetime) -> Explanation:
    """Raises `DefinitionError` for an alarm that can't be evaluated at an instant."""
    rule = parse_rule(alarm.type, alarm.rule)
    if alarm.type == Type.EVENT:
        raise DefinitionError("type", "event alarms are judged when events come, not at a time")
    if not is_evaluated(alarm.type):
        raise DefinitionError("type", NOT_HERE.format(alarm.type))
    opened = is_open(parse_constraints(alarm.time_constraints), at)
    kind = TYPES[alarm.type]
    now_us = to_us(at)
    one = as_claimed(alarm, now_us)
    policed = policing.load([one]).get(one.id)
    if policed:
        rule = policing.rule_for(rule, policed.policy, alarm.state)
    subjects = [Subject(part, alarm.seen_project) for part in kind.parts(rule)]
    found = find(subjects)
    view = look_at(subjects, now_us, found)
    judged = kind.judge([Case(one, rule, 0, policed)], view)
    decision = next(iter(judged.decisions), Decision(one, None))
    verdict = decision.verdict if opened else None
    names = _names(rule, len(subjects))
    seen = [_seen(name, place, view, found[place], now_us) for place, name in enumerate(names)]
    found_so_far = Explanation(at, rule, opened, seen, verdict)
    if policed is None:
        return found_so_far
    memory = decision.memory if opened and decision.memory is not None else policed.memory
    state = verdict.state if verdict else alarm.state
    return found_so_far._replace(phase=phase(state, memory), memory=memory)


def _names(rule: Rule, parts: int) -> list[str]:
    if isinstance(rule, CompositeRule):
        return [one.name for one in rule.sub_rules]
    return [""] * parts


def _seen(name: str, place: int, view: View, found: Found, now_us: int) -> Seen:
    subject = view.subjects[place]
    rule = subject.rule
    window = window_of(subject, now_us)
    points = raw_points(subject, found, now_us)
    buckets = view.buckets(place)
    compare = COMPARE[rule.comparison_operator]
    keys = np.array([one.pk for one in found.series], dtype=np.int64)
    return Seen(
        name=name,
        rule=rule,
        start=from_us(window.start),
        stop=from_us(window.stop),
        series=keys.tolist(),
        points=[
            Point(int(keys[index]), from_us(moment), value)
            for index, moment, value in zip(*(column.tolist() for column in points), strict=True)
        ],
        values=[
            Value(from_us(moment), value, bool(compare(value, rule.threshold)))
            for moment, value in zip(*(column.tolist() for column in buckets), strict=True)
        ],
        problem=view.problems[place],
    )
