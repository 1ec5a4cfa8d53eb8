"""`manage.py export FILE`: samples or statistics into a file.

A file of samples (docs/reference/sample-files.md) is what `import_samples` takes; the others are
tables for other programs.
"""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from meters import arrow
from meters.api.errors import LimitError
from meters.api.names import unstorable
from meters.api.params import duration_us, moment
from meters.api.views.statistics import methods
from meters.export_pieces import metrics_of
from meters.part_file import PartFileError
from meters.sample_export import stream_samples, write_samples
from meters.sample_file import Place, Selection
from meters.table_export import Asked
from meters.table_file import FORMATS, stream_table, write_table
from telemetry_site.clock import to_us
from telemetry_site.console import progress
from telemetry_site.database import AWAY

T = TypeVar("T")
NOTHING = "No metric fits --meter and --resource."


class Command(BaseCommand):
    help = (
        "Write samples, or with --granularity statistics of each series, into FILE, or - for the "
        "standard output: as a file of samples that import_samples takes, or a table for other "
        "programs. It is FILE.part until it is complete, and --resume goes on with one that was "
        "broken off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument(
            "--format", choices=["samples", *FORMATS],
            help="what FILE ends with (.csv, .arrow, .parquet) unless told, else samples",
        )  # fmt: skip
        parser.add_argument(
            "--meter", action="append", default=[], type=_read_by(_name),
            help="only these (repeatable)",
        )  # fmt: skip
        parser.add_argument(
            "--resource", action="append", default=[], type=_read_by(_name),
            help="only these ids (repeatable)",
        )  # fmt: skip
        parser.add_argument("--start", type=_read_by(moment), help="e.g. 2026-11-25T12:00:00Z")
        parser.add_argument("--stop", type=_read_by(moment), help="only before")
        parser.add_argument(
            "--granularity", type=_read_by(duration_us), help="statistics per 300, 5m, 1h, 1d …"
        )
        parser.add_argument(
            "--aggregation", type=_read_by(methods),
            help="of the statistics: mean (unless told), min, max, rate:mean, 95pct …, with commas",
        )  # fmt: skip
        parser.add_argument("--resume", action="store_true", help="go on with what was broken off")

    def handle(self, *_: Any, **options: Any) -> None:
        asked, format_name = _asked(options), _format(options)
        try:
            if format_name == "samples":
                self._export_samples(options["file"], asked, options["resume"])
            else:
                self._export_table(options["file"], format_name, asked, options["resume"])
        except OSError as error:
            raise CommandError(f"{error.filename or options['file']}: {error.strerror}") from error
        except PartFileError as error:
            raise CommandError(str(error)) from error
        except LimitError as error:
            raise CommandError(str(error.detail)) from error
        except AWAY as error:
            reason = str(error).strip().splitlines()[0]
            again = "begin anew" if options["file"] == "-" else "go on with --resume"
            raise CommandError(f"The database is away ({reason}): {again}.") from error

    def _export_table(self, name: str, format_name: str, asked: Asked, resume: bool) -> None:
        if format_name != "csv" and not arrow.is_installed():
            raise CommandError(arrow.MISSING)
        if name != "-" and self._is_complete(Path(name), resume):
            return
        by = "pk" if asked.granularity is not None else "resource_id"
        places = self._places(asked.selection, by)
        with progress(self.stderr) as bar:
            task = bar.add_task("resources" if by == "resource_id" else "series", total=len(places))

            def advance(place: Place) -> None:
                bar.update(task, completed=bisect_right(places, place.last))

            if name == "-":
                rows = stream_table(sys.stdout.buffer, format_name, asked, advance)
            else:
                rows = write_table(Path(name), format_name, asked, resume, advance)
        self.stderr.write(f"{rows:,} rows")
        if name != "-":
            self.stderr.write(f"{name}: {filesizeformat(Path(name).stat().st_size)}")

    def _export_samples(self, name: str, asked: Asked, resume: bool) -> None:
        if asked.granularity is not None:
            raise CommandError(f"Statistics go out as a table: --format {', '.join(FORMATS)}.")
        if name != "-" and self._is_complete(Path(name), resume):
            return
        resources = self._places(asked.selection, "resource_id")
        with progress(self.stderr) as bar:
            task = bar.add_task("resources", total=len(resources))

            def advance(place: Place) -> None:
                bar.update(task, completed=bisect_right(resources, place.first) - 1)

            if name == "-":
                samples = stream_samples(sys.stdout.buffer, asked.selection, advance)
            else:
                samples = write_samples(Path(name), asked.selection, resume, advance)
        self.stderr.write(f"{samples:,} samples")
        if name != "-":
            size = Path(name).stat().st_size
            each = f", {size / samples:.1f} bytes a sample" if samples else ""
            self.stderr.write(f"{name}: {filesizeformat(size)}{each}")

    def _is_complete(self, path: Path, resume: bool) -> bool:
        if not path.name or path.is_dir():
            raise CommandError(f"{path} is a directory: name a file in it.")
        if not path.exists():
            return False
        if not resume:
            raise CommandError(f"{path} is there already.")
        self.stderr.write(f"{path} is complete.")
        return True

    def _places(self, selection: Selection, by: str) -> list[int]:
        """What the export goes along, in its order."""
        found = list(metrics_of(selection).order_by(by).values_list(by, flat=True).distinct())
        if not found:
            self.stderr.write(NOTHING if selection.meters or selection.resources else "No metrics.")
        return found


def _asked(options: dict[str, Any]) -> Asked:
    start, stop = options["start"], options["stop"]
    if start is not None and stop is not None and start >= stop:
        raise CommandError("--stop: must be later than --start.")
    times = (None if one is None else to_us(one) for one in (start, stop))
    selection = Selection(options["meter"], options["resource"], *times)
    if options["granularity"] is None:
        if options["aggregation"] is not None:
            raise CommandError("--aggregation: of statistics, which need --granularity.")
        return Asked(selection)
    return Asked(selection, options["granularity"], options["aggregation"] or ("mean",))


def _format(options: dict[str, Any]) -> str:
    ending = Path(options["file"]).suffix.removeprefix(".")
    return options["format"] or (ending if ending in FORMATS else "samples")


def _name(text: str) -> str:
    if flaw := unstorable(text):  # of bytes on the command line that are no UTF-8
        raise ValueError(f"the text {flaw}.")
    return text


def _read_by(parse: Callable[[str], T]) -> Callable[[str], T]:
    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return read
