"""One alarm through many evaluations in a row, all in memory: for dry runs and alarms' tests.

What it decides with is what the evaluator decides with; only the looks come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings

from alarms import composites, policies, rules
from alarms.choices import State, Type
from alarms.composites import NONE, Codes
from alarms.definition import CompositeRule, Part, Rule, parse_rule
from alarms.definition.constraints import TimeConstraint, parse_constraints
from alarms.definition.policy import Policy, read_policy
from alarms.errors import DefinitionError
from alarms.evaluator.judging import sight_of
from alarms.evaluator.policing import rule_for
from alarms.evaluator.types import TYPES
from alarms.opening import is_open
from alarms.policies import Memory, Sight
from telemetry_site.clock import from_us


class Plan(NamedTuple):
    """What decides about an alarm, of its definition."""

    type: str
    rule: Rule
    policy: Policy = Policy()
    repeat: bool = False
    constraints: tuple[TimeConstraint, ...] = ()

    @property
    def parts(self) -> Sequence[Part]:
        """What is looked at."""
        return TYPES[self.type].parts(self.rule)

    @property
    def every_s(self) -> int:
        """How often the alarm is evaluated (see the claim in `evaluator.claims`)."""
        usual: int = settings.TELEMETRY_EVALUATION_INTERVAL
        own: int = getattr(self.rule, "granularity", getattr(self.rule, "period", usual))
        tick: int = settings.TELEMETRY_EVALUATION_TICK
        return max(tick, min(usual, own))


class Step(NamedTuple):
    """`reason` is why the alarm is in `state`; `fires`: actions would be taken."""

    at_us: int
    state: str
    reason: str
    phase: str
    fires: bool


def times_fired(state: str, steps: Iterable[Step]) -> int:
    """How often an alarm that began in `state` went to alarm."""
    states = [state, *(one.state for one in steps)]
    return sum(after == State.ALARM != before for before, after in pairwise(states))


def can_be_tried(alarm_type: str) -> bool:
    """Whether the samples that are stored tell what an alarm of this type would have done."""
    return alarm_type not in (Type.EVENT, Type.MEMBER_HEALTH)


def plan_of(definition: dict[str, Any]) -> Plan:
    """Of fields as `lifecycle.check` has them. Raises `DefinitionError` for a type of which
    nothing can be told beforehand."""
    kind = definition["type"]
    if not can_be_tried(kind):
        raise DefinitionError("type", f"alarms of type {kind} can't be tried out")
    return Plan(
        kind,
        parse_rule(kind, definition["rule"]),
        read_policy(definition.get("policy") or {}),
        definition.get("repeat_actions", False),
        tuple(parse_constraints(definition.get("time_constraints"))),
    )


class Walk:
    """`state` and `reason` are the alarm's after the last step."""

    def __init__(self, plan: Plan, state: str = State.INSUFFICIENT_DATA) -> None:
        self.plan = plan
        self.state: str = State(state).value
        self.reason = ""
        self.memory = Memory()
        self._parts = np.full((1, len(plan.parts)), NONE, dtype=np.int8)

    @property
    def parts(self) -> list[Part]:
        """What is to be looked at next, with the limits that count in this state."""
        own = rule_for(self.plan.rule, self.plan.policy, self.state)
        return list(TYPES[self.plan.type].parts(own))

    def step(self, looks: Sequence[rules.Look], now_us: int) -> Step:
        """`looks` are those of `parts`."""
        plan = self.plan
        verdict = None
        if is_open(plan.constraints, from_us(now_us)):
            seen = self._sight(looks)
            verdict, self.memory = policies.decide(
                plan.policy, self.memory, self.state, plan.repeat, seen, now_us
            )
            self._note(verdict, looks)
        name = policies.phase(self.state, self.memory).name
        return Step(now_us, self.state, self.reason, name, verdict is not None)

    def _note(self, verdict: rules.Verdict | None, looks: Sequence[rules.Look]) -> None:
        if verdict and verdict.changed:
            self.state, self.reason = verdict.state, verdict.reason
        elif self.state == State.INSUFFICIENT_DATA:
            problems = [look.problem for look in looks if look.problem]
            self.reason = "; ".join(problems) or self.reason

    def _sight(self, looks: Sequence[rules.Look]) -> Sight:
        if not isinstance(self.plan.rule, CompositeRule):
            return sight_of(looks[0])
        rule = self.plan.rule
        seen = composites.windows(_as_columns(looks))
        before: Codes = np.array([composites.code_of(self.state)], dtype=np.int8)
        settled = composites.settle(rule, seen, before, self._parts)
        if settings.TELEMETRY_COMPOSITE_MEMORY:
            self._parts = composites.remembered(seen, self._parts)
        state = composites.STATES[int(settled.states[0])]
        return Sight(state, state, partial(composites.tell, rule, settled, 0))


def _as_columns(looks: Sequence[rules.Look]) -> rules.Looks:
    """One row, a column a look."""
    return rules.Looks(
        np.array([[one.periods for one in looks]], dtype=np.int64),
        np.array([[one.outside for one in looks]], dtype=np.int64),
        np.array([[one.heading for one in looks]], dtype=np.bool_),
        np.array([[np.nan if one.last is None else one.last for one in looks]]),
        np.array([[not one.problem for one in looks]], dtype=np.bool_),
    )
