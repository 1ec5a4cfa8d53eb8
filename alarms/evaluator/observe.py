"""What alarms see right now, for lists and pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from alarms.definition import parse_series_rule
from alarms.errors import DefinitionError
from alarms.evaluator.looking import look_at
from alarms.evaluator.selection import Subject
from alarms.models import Alarm
from telemetry_site.clock import from_us, to_us


class Observation(NamedTuple):
    """The last `evaluation_periods` values in an alarm's window, oldest first.

    `problem` tells why there are fewer (aodh's words), or why the rule cannot be read.
    """

    timestamps: list[datetime]
    values: list[float]
    problem: str


def observe(alarms: Sequence[Alarm], now: datetime) -> list[Observation]:
    """One observation an alarm, in their order."""
    found = [Observation([], [], "")] * len(alarms)
    readable: list[tuple[int, Subject]] = []
    for place, alarm in enumerate(alarms):
        try:
            subject = Subject(parse_series_rule(alarm.type, alarm.rule), alarm.seen_project)
        except DefinitionError as error:
            found[place] = Observation([], [], str(error))
        else:
            readable.append((place, subject))
    view = look_at([subject for _, subject in readable], to_us(now))
    for number, (place, _) in enumerate(readable):
        buckets = view.buckets(number)
        times = [from_us(moment) for moment in buckets.timestamps.tolist()]
        found[place] = Observation(times, buckets.values.tolist(), view.problems[number])
    return found
