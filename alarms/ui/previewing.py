"""The preview beside the form: what the rule would have done on the data that is there."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from alarms.cautions import of_parts
from alarms.choices import NOT_HERE, State
from alarms.definition import EventRule, SeriesRule, parse_rule
from alarms.definition.policy import Policy
from alarms.errors import DefinitionError
from alarms.evaluator.reading import Buckets
from alarms.evaluator.types import is_evaluated
from alarms.evaluator.walking import Plan, can_be_tried
from alarms.preview import Preview, Step, dry_run, fired, length_of, longest, preview
from alarms.preview import span as week_of
from alarms.ui.forms import AlarmForm
from alarms.ui.matching import Matching, matching
from alarms.ui.plotting import plot_data, unit
from alarms.ui.told import in_words
from telemetry_site.clock import to_us

#: The stretch of the past that is looked at: so many periods, within these bounds.
PERIODS = 120
SHORTEST, LONGEST = timedelta(hours=6), timedelta(days=90)
TRANSITIONS_SHOWN = 10


@dataclass(frozen=True)
class Shown:
    """`found` is None while the threshold is missing: then there is only the plot. Event alarms
    have `events` in its place; of what nobody can try out beforehand there is only the sentence."""

    sentence: str
    unit: str = ""
    found: Preview | None = None
    events: Matching | None = None
    series: int = 0
    problem: str = ""
    span_s: float = 0.0
    data: str = ""
    #: How often the alarm would have fired in the last week; None where that is too much to say.
    week: int | None = None
    #: What should be known, though it is no fault.
    caution: str = ""
    #: Whether there is a threshold, or none is needed.
    is_whole: bool = True

    @property
    def fired(self) -> int:
        """How often it would have gone to `alarm`."""
        steps = self.found.transitions if self.found else []
        return sum(step.state == State.ALARM for step in steps)

    @property
    def newest(self) -> list[Step]:
        """The newest changes of the state, the newest first."""
        return self.found.transitions[:0:-1][:TRANSITIONS_SHOWN] if self.found else []


def look(form: AlarmForm, project_id: str | None, now: datetime) -> Shown | None:
    """None where the form doesn't make a rule; its `errors` say why."""
    checked = form.check_rule()
    is_whole = set(form.errors) != {"threshold"} or bool(form.values["threshold"])
    if not is_whole:
        form.errors.clear()
        checked = AlarmForm(form.values | {"threshold": "0"}).check_rule()
    policy = form.check_policy(checked) if is_whole else Policy()
    hours = form.check_constraints()
    if policy is None or form.errors:
        return None
    plan = Plan(form.type, parse_rule(form.type, checked), policy, constraints=hours)
    show = _shown if is_whole else _without_threshold
    try:
        return show(plan, project_id, now)
    except DefinitionError as error:
        form.fail(error)
        return None


def _shown(plan: Plan, project_id: str | None, now: datetime) -> Shown:
    if isinstance(plan.rule, EventRule):
        return Shown(in_words(plan.rule), events=matching(plan.rule, project_id, now))
    if not can_be_tried(plan.type):
        problem = "" if is_evaluated(plan.type) else NOT_HERE.format(plan.type)
        return Shown(in_words(plan.rule), problem=problem)
    start = now - span(plan)
    past = preview(plan, project_id, start, now, now)
    shown = Shown(
        sentence=in_words(plan.rule),
        found=past,
        series=past.series,
        problem=past.problem,
        span_s=(now - start).total_seconds(),
        week=_week(plan, project_id, now),
        caution=of_parts(plan.parts, project_id),
    )
    if not isinstance(plan.rule, SeriesRule):
        return shown
    return _with_plot(shown, plan.rule, past, start, now)


def _without_threshold(plan: Plan, project_id: str | None, now: datetime) -> Shown:
    """The plot by which a threshold may be chosen."""
    if not isinstance(plan.rule, SeriesRule):
        return Shown("", is_whole=False)
    start = now - span(plan)
    past = preview(plan, project_id, start, now, now)
    shown = Shown(
        "", series=past.series, problem=past.problem, span_s=(now - start).total_seconds(),
        is_whole=False,
    )  # fmt: skip
    return _with_plot(shown, plan.rule, past, start, now)


def _with_plot(
    shown: Shown, rule: SeriesRule, past: Preview, start: datetime, now: datetime
) -> Shown:
    [found] = past.found
    shown_from = max(start, past.points[0][0]) if past.points else start
    states = _since(past.steps, shown_from) if shown.is_whole else []
    data = plot_data(rule, found, _buckets(past), states, shown_from, now) | {"refresh": 0}
    if not shown.is_whole:
        data["threshold"] = None
    return replace(shown, unit=unit(rule, found), data=json.dumps(data, allow_nan=False))


def _week(plan: Plan, project_id: str | None, now: datetime) -> int | None:
    try:
        return fired(dry_run(plan, project_id, now - week_of(plan), now, now))
    except DefinitionError:
        return None


def _since(steps: list[Step], start: datetime) -> list[Step]:
    """From the one on that holds at `start`: a new installation's plot has no empty hours."""
    first = max((place for place, step in enumerate(steps) if step.at <= start), default=0)
    return steps[first:]


def _buckets(past: Preview) -> Buckets:
    times = np.array([to_us(moment) for moment, _ in past.points], dtype=np.int64)
    return Buckets(times, np.array([value for _, value in past.points], dtype=np.float64))


def span(plan: Plan) -> timedelta:
    """So many of its longest periods."""
    wanted = timedelta(seconds=max(map(length_of, plan.parts)) * PERIODS)
    return min(max(wanted, SHORTEST), LONGEST, longest(plan))
