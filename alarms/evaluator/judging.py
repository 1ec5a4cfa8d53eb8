"""From what many alarms see to what becomes of them, a function a family of types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from alarms import composites, rules
from alarms.choices import State
from alarms.composites import UNKNOWN, Codes
from alarms.definition import CompositeRule, Rule
from alarms.evaluator import memory
from alarms.evaluator.claims import Claimed
from alarms.evaluator.looking import View
from alarms.evaluator.policing import Policed
from alarms.evaluator.transitions import Decision
from alarms.policies import Sight


class Case(NamedTuple):
    """An alarm to judge; what its rule looks at begins in the view at `first`. `policed` is what
    is asked of it beyond its rule."""

    claimed: Claimed
    rule: Rule
    first: int = 0
    policed: Policed | None = None


class Judged(NamedTuple):
    """`insufficient` is how many have too little to see; `states` are those in which what an alarm
    sees by itself puts it, as codes of `composites` (NONE: a mixed window), a case each."""

    decisions: list[Decision]
    insufficient: int
    states: Codes
    memories: Sequence[memory.Change] = ()


def judge_thresholds(cases: Sequence[Case], view: View) -> Judged:
    """Alarms with one window each, in columns; a sentence is made only where something happens."""
    places = np.array([case.first for case in cases], dtype=np.int64)
    numbers = view.numbers.take(places)
    states = np.array([case.claimed.state for case in cases])
    repeats = np.array([case.claimed.repeat_actions for case in cases], dtype=np.bool_)
    decisions = {
        number: by_policy(case.claimed, case.policed, sight_of(view.look(case.first)))
        for number, case in enumerate(cases)
        if case.policed
    }
    for number in np.flatnonzero(rules.eventful(states, repeats, numbers)).tolist():
        if number in decisions:
            continue
        one, look = cases[number].claimed, view.look(cases[number].first)
        verdict = rules.decide(one.state, one.repeat_actions, look)
        assert verdict is not None
        decisions[number] = Decision(one, verdict)
    unknown = (view.problems[case.first] for case in cases)
    firm = composites.windows(numbers).firm
    return _judged(_with_reasons(cases, decisions, unknown), firm)


def by_policy(one: Claimed, policed: Policed, seen: Sight) -> Decision:
    """Which may say that nothing happens and nothing is to be remembered."""
    outcome = policed.decide(one, seen)
    return Decision(one, outcome.verdict, memory=policed.changed(outcome.memory))


def sight_of(look: rules.Look) -> Sight:
    return Sight(rules.firm(look), rules.trend(look), partial(rules.tell, look))


def _judged(
    decisions: list[Decision], states: Codes, memories: Sequence[memory.Change] = ()
) -> Judged:
    return Judged(decisions, int((states == UNKNOWN).sum()), states, memories)


def _with_reasons(
    cases: Sequence[Case], decisions: dict[int, Decision], problems: Iterable[str]
) -> list[Decision]:
    """And those that stay without data, but now for another reason than they show.

    aodh leaves "Not evaluated yet" there for ever; its users could not tell why (LP 1974682).
    """
    for number, (case, problem) in enumerate(zip(cases, problems, strict=True)):
        one = case.claimed
        if one.state != State.INSUFFICIENT_DATA or not problem or one.state_reason == problem:
            continue
        made = decisions.get(number, Decision(one, None))
        if made.verdict is None:
            decisions[number] = made._replace(reason=problem)
    return [one for one in decisions.values() if one.says_anything]


# --- composite ---------------------------------------------------------------------------------


def judge_composites(cases: Sequence[Case], view: View) -> Judged:
    """Alarms whose rules have one form together, each form by itself; states in that order."""
    forms: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        forms[_composite(case).form].append(case)
    known = memory.load([case.claimed for case in cases])
    decisions: list[Decision] = []
    states: list[Codes] = []
    memories: list[memory.Change] = []
    for alike in forms.values():
        judged = _of_one_form(alike, view, known)
        decisions += judged.decisions
        states.append(judged.states)
        memories += judged.memories
    return _judged(decisions, np.concatenate(states), memories)


def _of_one_form(cases: Sequence[Case], view: View, known: memory.Known) -> Judged:
    rule = _composite(cases[0])
    size = len(rule.sub_rules)
    firsts = np.array([case.first for case in cases], dtype=np.int64)
    places = firsts[:, np.newaxis] + np.arange(size)
    seen = composites.windows(view.numbers.take(places))
    before = np.array([composites.code_of(case.claimed.state) for case in cases], dtype=np.int8)
    kept = np.array([known.of(case.claimed, size) for case in cases], dtype=np.int8)
    settled = composites.settle(rule, seen, before, kept)
    claimed = [case.claimed for case in cases]
    memories = memory.changes(known, claimed, composites.remembered(seen, kept))
    decisions = {}
    for number, case in enumerate(cases):
        one = case.claimed
        own = _composite(case)
        if case.policed:
            state = composites.STATES[int(settled.states[number])]
            tell = partial(composites.tell, own, settled, number)
            decisions[number] = by_policy(one, case.policed, Sight(state, state, tell))
            continue
        verdict = composites.verdict(one.state, one.repeat_actions, own, settled, number)
        if verdict:
            decisions[number] = Decision(one, verdict)
    problems = (
        _problem(case, view) if settled.states[number] == UNKNOWN else ""
        for number, case in enumerate(cases)
    )
    return _judged(_with_reasons(cases, decisions, problems), settled.states, memories)


def _problem(case: Case, view: View) -> str:
    """What each part lacks."""
    parts = _composite(case).sub_rules
    lacking = (
        f"{part.name}: {problem}"
        for place, part in enumerate(parts)
        if (problem := view.problems[case.first + place])
    )
    return "; ".join(lacking)


def _composite(case: Case) -> CompositeRule:
    assert isinstance(case.rule, CompositeRule)
    return case.rule
