"""What a rule would have done over a stretch of the past: nothing is stored (alarms.md 8.2, 17).

The same pure decision as the evaluator's, at each instant at which it would have looked. Buckets
are what they are *now*: at the time, the newest one may have held fewer samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.conf import settings

from alarms import rules
from alarms.choices import State
from alarms.definition import SeriesRule
from alarms.errors import DefinitionError
from alarms.evaluator.looking import Buckets, look_at, over_range
from alarms.evaluator.selection import Found, Subject, find
from meters.api.pages import USUAL_INTERVAL_US
from meters.retention import earliest
from telemetry_site.clock import from_us, to_us

MAX_STEPS = 10_000
#: More buckets than this are no plot.
MAX_BUCKETS = 100_000
#: Samples in memory at once, by `USUAL_INTERVAL_US` a series.
MAX_SAMPLES = 10_000_000


class Step(NamedTuple):
    at: datetime
    state: str


@dataclass(frozen=True)
class Preview:
    """`points` are the aggregated values over the range, for a plot; `steps` the state at each
    evaluation, `transitions` only where it changed. `current` and `reason` are what an evaluation
    right now would say of an alarm that was never evaluated."""

    found: Found
    points: list[tuple[datetime, float]]
    steps: list[Step]
    transitions: list[Step]
    current: str
    reason: str

    @property
    def series(self) -> int:
        """How many metrics the rule finds."""
        return len(self.found.series)

    @property
    def problem(self) -> str:
        """Why it can't say more."""
        return self.found.problem


def interval(rule: SeriesRule) -> timedelta:
    """How often an alarm with this rule is evaluated (see the claim in `evaluator.cycle`)."""
    longest = min(settings.TELEMETRY_EVALUATION_INTERVAL, rule.granularity)
    return timedelta(seconds=max(settings.TELEMETRY_EVALUATION_TICK, longest))


def preview(
    rule: SeriesRule, project_id: str | None, start: datetime, stop: datetime, now: datetime
) -> Preview:
    """Evaluate a rule at each of its times in [start, stop). Raises `DefinitionError`."""
    _check_range(rule, start, stop)
    subject = Subject(rule, project_id)
    [found] = find([subject])
    _check_samples(rule, len(found.series), start, stop, now)
    buckets = over_range(subject, found.series, to_us(start), to_us(stop))
    steps = _steps(rule, buckets, start, stop)
    current = look_at([subject], to_us(now), [found]).look(0)
    verdict = rules.decide(State.INSUFFICIENT_DATA, False, current)
    return Preview(
        found=found,
        points=_points(rule, buckets, start),
        steps=steps,
        transitions=[
            step
            for before, step in zip([None, *steps], steps, strict=False)
            if before is None or before.state != step.state
        ],
        current=verdict.state if verdict else State.INSUFFICIENT_DATA.value,
        reason=verdict.reason if verdict else current.problem,
    )


def _check_range(rule: SeriesRule, start: datetime, stop: datetime) -> None:
    if start >= stop:
        raise DefinitionError("start", "must be before stop")
    steps = (stop - start) / interval(rule)
    if steps > MAX_STEPS:
        raise DefinitionError(
            "start", f"{steps:.0f} evaluations between start and stop, at most {MAX_STEPS}"
        )
    buckets = (stop - start).total_seconds() / rule.granularity
    if buckets > MAX_BUCKETS:
        raise DefinitionError("start", f"{buckets:.0f} periods, at most {MAX_BUCKETS}")


def _check_samples(
    rule: SeriesRule, series: int, start: datetime, stop: datetime, now: datetime
) -> None:
    """Also of the windows before `start` and before now."""
    looked_back = timedelta(seconds=rule.granularity * (rule.evaluation_periods + 1))
    span = min(stop - start + looked_back, now - earliest(now))
    samples = series * (span // timedelta(microseconds=1)) // USUAL_INTERVAL_US
    if samples > MAX_SAMPLES:
        raise DefinitionError(
            "start",
            f"{samples} samples may have to be read ({series} metrics, one each 10 s), at most "
            f"{MAX_SAMPLES}: narrow start and stop, the granularity or the query",
        )


def _points(rule: SeriesRule, buckets: Buckets, start: datetime) -> list[tuple[datetime, float]]:
    """Those of the range itself, without what the first evaluations looked back at."""
    first = to_us(start) - rule.granularity * rules.SECOND
    shown = buckets.timestamps > first
    times = [from_us(moment) for moment in buckets.timestamps[shown].tolist()]
    return list(zip(times, buckets.values[shown].tolist(), strict=True))


def _steps(rule: SeriesRule, buckets: Buckets, start: datetime, stop: datetime) -> list[Step]:
    """The state at each evaluation, beginning with an alarm that was never evaluated."""
    every = int(interval(rule).total_seconds()) * rules.SECOND
    first = -(-to_us(start) // every) * every
    state: str = State.INSUFFICIENT_DATA
    steps = []
    for moment in range(first, to_us(stop), every):
        verdict = rules.decide(state, False, _look(rule, buckets, moment))
        state = verdict.state if verdict else state
        steps.append(Step(from_us(moment), str(state)))
    return steps


def _look(rule: SeriesRule, buckets: Buckets, moment: int) -> rules.Look:
    lag = settings.TELEMETRY_INGESTION_LAG
    window = rules.window(moment, rule.granularity, rule.evaluation_periods, lag)
    low, high = np.searchsorted(buckets.timestamps, window)
    values = buckets.values[low:high][-rule.evaluation_periods :].tolist()
    if not values:
        return rules.Look(rule.evaluation_periods, problem=rules.no_datapoint(rule.granularity))
    return rules.look(values, rule.comparison_operator, rule.threshold, rule.evaluation_periods)
