"""Cases run: an alarm over series in memory, and where it did not do what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from alarms.errors import DefinitionError
from alarms.evaluator.looking import look_at
from alarms.evaluator.subjects import Subject
from alarms.evaluator.walking import Step, Walk, times_fired
from alarms.rules import SECOND
from alarms.testing.cases import Case, Expected
from alarms.testing.series import InMemory
from telemetry_site.clock import to_us

MAX_STEPS = 100_000


class Failure(NamedTuple):
    """`got` has the fields of `expected.wanted`; `steps` are where the state had changed so far."""

    expected: Expected
    got: dict[str, Any]
    steps: list[Step]


def run(case: Case) -> list[Failure]:
    """Raises `DefinitionError` for a rule that can't be evaluated."""
    steps = list(_steps(case))
    found = []
    for expected in sorted(case.expected, key=lambda one: one.at_s):
        limit = to_us(case.begin) + expected.at_s * SECOND
        past = [step for step in steps if step.at_us <= limit]
        got = _facts(case, past)
        if any(got[name] != value for name, value in expected.wanted.items()):
            own = {name: got[name] for name in expected.wanted}
            found.append(Failure(expected, own, _changes(case, past)))
    return found


def _steps(case: Case) -> Iterator[Step]:
    """Evaluations from the begin to the last expectation, each with the points before it."""
    every = case.plan.every_s
    last = max(one.at_s for one in case.expected)
    if last / every > MAX_STEPS:
        raise DefinitionError("", f"{last // every} evaluations, at most {MAX_STEPS}")
    memory, walk = InMemory(case.inputs, case.begin), Walk(case.plan, case.state)
    for second in range(0, last + 1, every):
        now_us = to_us(case.begin) + second * SECOND
        subjects = [Subject(part, None) for part in walk.parts]
        view = look_at(subjects, now_us, memory.find(subjects), memory.read)
        yield walk.step([view.look(place) for place in range(len(subjects))], now_us)


def _facts(case: Case, past: list[Step]) -> dict[str, Any]:
    last = past[-1]
    fired = times_fired(case.state, past)
    return {"state": last.state, "reason": last.reason, "phase": last.phase, "fired": fired}


def _changes(case: Case, past: list[Step]) -> list[Step]:
    before = [case.state, *(step.state for step in past)]
    return [step for step, state in zip(past, before, strict=False) if step.state != state]
