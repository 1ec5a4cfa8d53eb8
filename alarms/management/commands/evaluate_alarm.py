"""`manage.py evaluate_alarm ID --at TIME --explain`: what an evaluation sees and says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from alarms.definition.words import SIGNS, sentence
from alarms.errors import AlarmingError
from alarms.evaluator.explaining import Explanation, Seen, explain
from alarms.management.arguments import alarm_of, iso, moment_of
from alarms.models import Alarm
from alarms.policies import Memory, Phase
from telemetry_site import clock
from telemetry_site.clock import from_us

#: More points than this of one rule are only counted.
MAX_POINTS = 1000


class Command(BaseCommand):
    help = "Evaluate an alarm as it is now, at any time. Nothing is stored and nothing is sent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="the alarm's id")
        parser.add_argument("--at", help="2026-11-26T12:00:30, UTC unless it says; now without it")
        parser.add_argument(
            "--explain", action="store_true", help="points, buckets and comparisons too"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        alarm = alarm_of(options["id"])
        try:
            found = explain(alarm, moment_of(options["at"], clock.now()))
        except AlarmingError as error:
            raise CommandError(f"This alarm can't be evaluated so: {error}.") from error
        for line in _lines(alarm, found, options["explain"]):
            self.stdout.write(line)


def _lines(alarm: Alarm, found: Explanation, everything: bool) -> Iterator[str]:
    yield f"{alarm.name}: {sentence(found.rule)}"
    yield f"at {iso(found.at)}, while its state is {alarm.state}"
    if not found.is_open:
        yield "time constraints: closed"
    elif alarm.time_constraints:
        yield "time constraints: open"
    if everything:
        for seen in found.seen:
            yield from _seen_lines(seen)
    if found.verdict is None:
        yield "verdict: nothing happens"
    else:
        how = "goes to" if found.verdict.changed else "remains in"
        yield f"verdict: {how} {found.verdict.state}"
        yield f"reason: {found.verdict.reason}"
    if everything and found.phase and found.memory:
        yield from _policy_lines(alarm, found.phase, found.memory)


def _policy_lines(alarm: Alarm, phase: Phase, memory: Memory) -> Iterator[str]:
    yield f"policy: {json.dumps(alarm.policy)}"
    yield f"phase: {phase.name}"
    for name, moment in memory._asdict().items():
        if moment is not None:
            yield f"  {name.replace('_', ' ')} {iso(from_us(moment))}"


def _seen_lines(seen: Seen) -> Iterator[str]:
    if seen.name:
        yield f"{seen.name}: {sentence(seen.rule)}"
    yield f"window: {iso(seen.start)} to {iso(seen.stop)}, {_many(len(seen.series), 'metric')}"
    yield f"points: {len(seen.points)}"
    if len(seen.points) <= MAX_POINTS:
        for point in seen.points:
            yield f"  metric {point.series}  {iso(point.at)}  {point.value}"
    yield f"buckets: {len(seen.values)}"
    sign = SIGNS[seen.rule.comparison_operator]
    for one in seen.values:
        side = "outside" if one.is_outside else "inside"
        yield f"  {iso(one.at)}  {one.value} {sign} {seen.rule.threshold}: {side}"
    if seen.problem:
        yield f"problem: {seen.problem}"


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
