"""What an alarm would have done over a stretch of the past: nothing is stored (alarms.md 8.2, 17).

The same pure decisions as the evaluator's, at each instant at which it would have looked. Buckets
are what they are *now*: at the time, the newest one may have held fewer samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.conf import settings

from alarms import rules
from alarms.choices import State
from alarms.definition import Part, SeriesRule
from alarms.errors import DefinitionError
from alarms.evaluator import walking
from alarms.evaluator.looking import look_at
from alarms.evaluator.ranging import Track
from alarms.evaluator.reading import Buckets, window_of
from alarms.evaluator.selection import Found, Subject, find
from alarms.evaluator.walking import Plan, Walk
from meters.aggregation import Ints
from meters.api.pages import USUAL_INTERVAL_US
from meters.retention import earliest
from telemetry_site.clock import from_us, to_us

MAX_STEPS = 10_000
#: More buckets than this are no plot.
MAX_BUCKETS = 100_000
#: Samples in memory at once, by `USUAL_INTERVAL_US` a series.
MAX_SAMPLES = 10_000_000
#: The same, of what is aggregated anew at each step.
MAX_LOOKED_AT = 50_000_000
WEEK = timedelta(days=7)
NOTE = (
    "Periods are seen as they are now, whole: at the time, the newest one may have held fewer "
    "samples, and late ones may have been missing."
)


class Step(NamedTuple):
    at: datetime
    state: str


@dataclass(frozen=True)
class Preview:
    """`found` is what each part of the rule looks at. `points` are the aggregated values over the
    range, for a plot, where the rule is a `SeriesRule`; `steps` the state at each evaluation,
    `transitions` only where it changed. `current` and `reason` are what an evaluation right now
    would say of an alarm that was never evaluated."""

    found: list[Found]
    points: list[tuple[datetime, float]]
    steps: list[Step]
    transitions: list[Step]
    current: str
    reason: str

    @property
    def series(self) -> int:
        """How many metrics the rule finds."""
        return len({series.pk for found in self.found for series in found.series})

    @property
    def problem(self) -> str:
        """Why it can't say more."""
        return "; ".join(found.problem for found in self.found if found.problem)


class Tried(NamedTuple):
    """An evaluation; `values` are the newest that each part of the rule compared, oldest first."""

    step: walking.Step
    values: list[list[float]]

    @property
    def plain(self) -> list[list[float | None]]:
        """The values for JSON, which has no word for one that is no finite number: None."""
        return [[one if math.isfinite(one) else None for one in part] for part in self.values]


def length_of(part: Part) -> int:
    """Seconds of a period of what is compared; what has none is looked at anew each time."""
    usual: int = settings.TELEMETRY_EVALUATION_INTERVAL
    own: int = getattr(part, "granularity", getattr(part, "period", usual))
    return own


def longest(plan: Plan) -> timedelta:
    """As much of the past as may be tried out at once."""
    return timedelta(seconds=plan.every_s * MAX_STEPS)


def span(plan: Plan) -> timedelta:
    """A week, or as much as may be tried out at once."""
    return min(WEEK, longest(plan))


def fired(tried: Sequence[Tried]) -> int:
    """How often an alarm without a past would have gone to alarm."""
    return walking.times_fired(State.INSUFFICIENT_DATA.value, (one.step for one in tried))


def dry_run(
    plan: Plan,
    project_id: str | None,
    start: datetime,
    stop: datetime,
    now: datetime,
    state: str = State.INSUFFICIENT_DATA,
) -> list[Tried]:
    """Each evaluation in [start, stop), of an alarm that begins in `state`, through the eyes of a
    project (None: of the installation). Raises `DefinitionError` where that is too much."""
    _, tracks = _tracks(plan, project_id, start, stop, now)
    return [
        Tried(step, [track.values(step.at_us) for track in tracks])
        for step in _walked(plan, tracks, start, stop, state)
    ]


def preview(
    plan: Plan, project_id: str | None, start: datetime, stop: datetime, now: datetime
) -> Preview:
    """Evaluate a rule at each of its times in [start, stop). Raises `DefinitionError`."""
    found, tracks = _tracks(plan, project_id, start, stop, now)
    steps = [Step(from_us(one.at_us), one.state) for one in _walked(plan, tracks, start, stop)]
    view = look_at([track.subject for track in tracks], to_us(now), found)
    looks = [view.look(place) for place in range(len(tracks))]
    current = Walk(Plan(plan.type, plan.rule)).step(looks, to_us(now))
    return Preview(
        found=found,
        points=_points(plan.rule, tracks[0].buckets, start)
        if isinstance(plan.rule, SeriesRule)
        else [],
        steps=steps,
        transitions=[
            step
            for before, step in zip([None, *steps], steps, strict=False)
            if before is None or before.state != step.state
        ],
        current=current.state,
        reason=current.reason,
    )


def _tracks(
    plan: Plan, project_id: str | None, start: datetime, stop: datetime, now: datetime
) -> tuple[list[Found], list[Track]]:
    """What each part of the rule finds, and sees over the range. Raises `DefinitionError`."""
    _check_range(plan, start, stop)
    subjects = [Subject(part, project_id) for part in plan.parts]
    found = find(subjects)
    steps = (stop - start) // timedelta(seconds=plan.every_s)
    pairs = list(zip(subjects, found, strict=True))
    samples = sum(_samples(*pair, start, stop, now) for pair in pairs)
    if samples > MAX_SAMPLES:
        series = sum(len(one.series) for one in found)
        raise _too_many(samples, series, MAX_SAMPLES)
    anew = sum(
        _samples(*pair, start, start, now) * steps
        for pair in pairs
        if not isinstance(pair[0].rule, SeriesRule)
    )
    if anew > MAX_LOOKED_AT:
        raise _too_many(anew, sum(len(one.series) for one in found), MAX_LOOKED_AT)
    instants = _instants(plan, start, stop)
    tracks = [Track(*pair, to_us(start), to_us(stop), instants) for pair in pairs]
    return found, tracks


def _instants(plan: Plan, start: datetime, stop: datetime) -> Ints:
    """When the evaluator would have looked, in [start, stop)."""
    every = plan.every_s * rules.SECOND
    first = -(-to_us(start) // every) * every
    return np.arange(first, to_us(stop), every, dtype=np.int64)


def _walked(
    plan: Plan,
    tracks: Sequence[Track],
    start: datetime,
    stop: datetime,
    state: str = State.INSUFFICIENT_DATA,
) -> Iterator[walking.Step]:
    walk = Walk(plan, state)
    for moment in _instants(plan, start, stop).tolist():
        pairs = zip(tracks, walk.parts, strict=True)
        yield walk.step([track.look(part, moment) for track, part in pairs], moment)


def _check_range(plan: Plan, start: datetime, stop: datetime) -> None:
    if start >= stop:
        raise DefinitionError("start", "must be before stop")
    steps = (stop - start) / timedelta(seconds=plan.every_s)
    if steps > MAX_STEPS:
        raise DefinitionError(
            "start", f"{steps:.0f} evaluations between start and stop, at most {MAX_STEPS}"
        )
    for part in plan.parts:
        buckets = (stop - start).total_seconds() / length_of(part)
        if buckets > MAX_BUCKETS:
            raise DefinitionError("start", f"{buckets:.0f} periods, at most {MAX_BUCKETS}")


def _samples(subject: Subject, found: Found, start: datetime, stop: datetime, now: datetime) -> int:
    """How many may lie between the beginning of the window at `start` and `stop`."""
    looked_back = start - from_us(window_of(subject, to_us(start)).start)
    span = min(stop - start + looked_back, now - earliest(now))
    return len(found.series) * (span // timedelta(microseconds=1)) // USUAL_INTERVAL_US


def _too_many(samples: int, series: int, most: int) -> DefinitionError:
    return DefinitionError(
        "start",
        f"{samples} samples may have to be read ({series} metrics, one each 10 s), at most "
        f"{most}: narrow start and stop, the granularity or the query",
    )


def _points(rule: SeriesRule, buckets: Buckets, start: datetime) -> list[tuple[datetime, float]]:
    """Those of the range itself, without what the first evaluations looked back at."""
    first = to_us(start) - rule.granularity * rules.SECOND
    shown = buckets.timestamps > first
    times = [from_us(moment) for moment in buckets.timestamps[shown].tolist()]
    return list(zip(times, buckets.values[shown].tolist(), strict=True))
