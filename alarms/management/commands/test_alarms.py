"""`manage.py test_alarms FILE`: whether alarms do on given series what a file expects of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from alarms.errors import AlarmingError
from alarms.files import FileError
from alarms.testing.cases import Case, read_cases
from alarms.testing.notation import duration
from alarms.testing.running import Failure, run
from telemetry_site.clock import from_us


class Command(BaseCommand):
    help = "Run the tests of alarms that stand in files. Needs no database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", type=Path, nargs="+", metavar="FILE")

    def handle(self, *_: Any, **options: Any) -> None:
        passed = failed = 0
        for path in options["files"]:
            try:
                cases = read_cases(path)
            except FileError as error:
                raise CommandError(str(error)) from error
            for case in cases:
                try:
                    failures = run(case)
                except AlarmingError as error:
                    raise CommandError(f"{path}:{case.line}: {error}") from error
                for line in _lines(path, case, failures):
                    self.stdout.write(line)
                passed, failed = passed + (not failures), failed + bool(failures)
        if failed:
            raise CommandError(f"{passed} passed, {failed} failed.")
        self.stdout.write(f"{passed} passed, 0 failed.")


def _lines(path: Path, case: Case, failures: list[Failure]) -> Iterator[str]:
    yield f"{'FAILED' if failures else 'ok'}  {case.name}"
    for one in failures:
        yield f"  {path}:{one.expected.line}: at {duration(one.expected.at_s)}"
        for name, wanted in one.expected.wanted.items():
            if one.got[name] != wanted:
                yield f"    - {name}: {wanted}"
                yield f"    + {name}: {one.got[name]}"
    if failures:
        yield "  what happened until then:"
        for step in failures[-1].steps:
            after = (from_us(step.at_us) - case.begin).total_seconds()
            yield f"    {duration(int(after))}  {step.state}: {step.reason}"
        if not failures[-1].steps:
            yield f"    nothing: it stayed in {case.state}"
