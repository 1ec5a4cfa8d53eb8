"""`manage.py dry_run_alarm (ID | FILE)`: what an alarm would have done in the past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandError, CommandParser

from alarms import lifecycle, preview
from alarms.errors import AlarmingError
from alarms.evaluator.walking import Plan, plan_of
from alarms.files import FileError, read_file
from alarms.management.arguments import alarm_of, iso, moment_of
from alarms.preview import Tried
from telemetry_site import clock
from telemetry_site.clock import from_us


class _Asked(NamedTuple):
    name: str
    plan: Plan
    project_id: str | None


class Command(BaseCommand):
    help = "Say what an alarm would have done on the data that is there. Nothing is stored or sent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", help="an alarm's id, or a file of alarms as load_alarms reads")
        parser.add_argument("--start", help="2026-11-26T12:00:30, UTC unless it says; a week ago")
        parser.add_argument("--stop", help="now without it")

    def handle(self, *_: Any, **options: Any) -> None:
        now = clock.now()
        stop = moment_of(options["stop"], now)
        try:
            for asked in _asked(options["what"]):
                start = moment_of(options["start"], stop - preview.span(asked.plan))
                tried = preview.dry_run(asked.plan, asked.project_id, start, stop, now)
                for line in _lines(asked.name, tried, start, stop):
                    self.stdout.write(line)
        except (AlarmingError, FileError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(preview.NOTE)


def _asked(what: str) -> Iterator[_Asked]:
    path = Path(what)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        for one in read_file(path):
            yield _Asked(one.name, plan_of(one.definition), one.project_id)
        return
    alarm = alarm_of(what)
    fields = {name: getattr(alarm, name) for name in lifecycle.FIELDS}
    yield _Asked(alarm.name, plan_of(fields), alarm.seen_project)


def _lines(name: str, tried: Sequence[Tried], start: datetime, stop: datetime) -> Iterator[str]:
    times = preview.fired(tried)
    word = "time" if times == 1 else "times"
    yield f"{name}: would have fired {times} {word} from {iso(start)} to {iso(stop)}"
    before = ""
    for one in tried:
        if one.step.state != before:
            yield f"  {iso(from_us(one.step.at_us))}  {one.step.state}: {one.step.reason}"
        before = one.step.state
