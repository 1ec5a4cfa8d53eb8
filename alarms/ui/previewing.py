"""The preview beside the form: what the rule would have done on the data that is there."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from alarms.cautions import of_granularity
from alarms.choices import State
from alarms.definition import SeriesRule, parse_series_rule
from alarms.definition.policy import Policy
from alarms.errors import DefinitionError
from alarms.evaluator.reading import Buckets
from alarms.evaluator.walking import Plan
from alarms.preview import MAX_STEPS, Preview, Step, dry_run, fired, interval, preview
from alarms.preview import span as week_of
from alarms.ui.forms import AlarmForm
from alarms.ui.plotting import plot_data, unit
from alarms.ui.told import in_words
from telemetry_site.clock import to_us

#: The stretch of the past that is looked at: so many periods, within these bounds.
PERIODS = 120
SHORTEST, LONGEST = timedelta(hours=6), timedelta(days=90)
TRANSITIONS_SHOWN = 10


@dataclass(frozen=True)
class Shown:
    """`found` is None while the threshold is missing: then there is only the plot."""

    sentence: str
    unit: str
    found: Preview | None
    series: int
    problem: str
    span_s: float
    data: str
    #: How often the alarm would have fired in the last week; None where that is too much to say.
    week: int | None = None
    #: What should be known, though it is no fault.
    caution: str = ""

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
    without_threshold = set(form.errors) == {"threshold"} and not form.values["threshold"]
    if without_threshold:
        form.errors.clear()
        checked = AlarmForm(form.values | {"threshold": "0"}).check_rule()
    policy = Policy() if without_threshold else form.check_policy(checked)
    if policy is None or form.errors:
        return None
    rule = parse_series_rule(form.values["type"], checked)
    shown = _shown(rule, policy, project_id, now, without_threshold)
    if without_threshold:
        return shown
    plan = Plan(form.values["type"], rule, policy)
    return replace(shown, week=_week(plan, project_id, now))


def _week(plan: Plan, project_id: str | None, now: datetime) -> int | None:
    try:
        return fired(dry_run(plan, project_id, now - week_of(plan), now, now))
    except DefinitionError:
        return None


def _shown(
    rule: SeriesRule, policy: Policy, project_id: str | None, now: datetime,
    without_threshold: bool,
) -> Shown:  # fmt: skip
    start = now - span(rule)
    past = preview(rule, project_id, start, now, now, policy)
    shown_from = max(start, past.points[0][0]) if past.points else start
    states = _since(past.steps, shown_from)
    data = plot_data(rule, past.found, _buckets(past), states, shown_from, now)
    if without_threshold:
        data |= {"threshold": None, "states": []}
    return Shown(
        sentence="" if without_threshold else in_words(rule),
        unit=unit(rule, past.found),
        found=None if without_threshold else past,
        series=past.series,
        problem=past.problem,
        span_s=(now - start).total_seconds(),
        data=json.dumps(data | {"refresh": 0}, allow_nan=False),
        caution=of_granularity(rule, past.found),
    )


def _since(steps: list[Step], start: datetime) -> list[Step]:
    """From the one on that holds at `start`: a new installation's plot has no empty hours."""
    first = max((place for place, step in enumerate(steps) if step.at <= start), default=0)
    return steps[first:]


def _buckets(past: Preview) -> Buckets:
    times = np.array([to_us(moment) for moment, _ in past.points], dtype=np.int64)
    return Buckets(times, np.array([value for _, value in past.points], dtype=np.float64))


def span(rule: SeriesRule) -> timedelta:
    wanted = timedelta(seconds=rule.granularity * PERIODS)
    return min(max(wanted, SHORTEST), LONGEST, interval(rule) * MAX_STEPS)
