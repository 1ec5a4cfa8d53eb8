"""`manage.py export FILE`: samples or statistics into a file.

A file of samples (docs/reference/sample-files.md) is what `import_samples` takes; the others are
tables for other programs.
"""

from __future__ import annotations

import itertools
import os
import sys
import uuid
from argparse import ArgumentTypeError
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from meters import arrow
from meters.api.errors import LimitError
from meters.api.params import duration_us, moment
from meters.api.views.statistics import methods
from meters.columnar import Table, csv_chunks
from meters.exporting import export, metrics_of
from meters.part_file import PartFileError, alone, is_begun, part_of
from meters.sample_file import (
    FORMAT,
    VERSION,
    Header,
    Kept,
    Place,
    SampleFileError,
    Selection,
    Writer,
    kept,
)
from meters.table_export import Asked, columns_of, settled, table_pieces
from meters.table_file import FORMATS, write_table
from telemetry_site.clock import now, now_us, to_us
from telemetry_site.console import progress
from telemetry_site.failpoints import failpoint

T = TypeVar("T")
NOTHING = "No metric fits --meter and --resource."
CHUNKS: dict[str, Callable[[Table], Any]] = {
    "csv": csv_chunks, "arrow": arrow.arrow_chunks, "parquet": arrow.parquet_chunks,
}  # fmt: skip


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
        parser.add_argument("--meter", action="append", default=[], help="only these (repeatable)")
        parser.add_argument(
            "--resource", action="append", default=[], help="only these ids (repeatable)"
        )
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

    # --- tables --------------------------------------------------------------------------------

    def _export_table(self, name: str, format_name: str, asked: Asked, resume: bool) -> None:
        if format_name != "csv" and not arrow.is_installed():
            raise CommandError(arrow.MISSING)
        if name == "-":
            pieces = table_pieces(settled(asked, now()))
            blocks = itertools.chain.from_iterable(table.blocks for table, _ in pieces)
            for chunk in CHUNKS[format_name](Table(columns_of(asked), blocks)):
                sys.stdout.buffer.write(chunk if isinstance(chunk, bytes) else chunk.encode())
            sys.stdout.buffer.flush()
            return
        path = Path(name)
        if self._is_complete(path, resume):
            return
        by = "pk" if asked.granularity is not None else "resource_id"
        places = self._places(asked.selection, by)
        with progress(self.stderr) as bar:
            task = bar.add_task("resources" if by == "resource_id" else "series", total=len(places))

            def advance(place: Place) -> None:
                bar.update(task, completed=bisect_right(places, place.last))

            rows = write_table(path, format_name, asked, resume, advance)
        self.stderr.write(f"{rows:,} rows")
        self.stderr.write(f"{path}: {filesizeformat(path.stat().st_size)}")

    # --- files of samples ----------------------------------------------------------------------

    def _export_samples(self, name: str, asked: Asked, resume: bool) -> None:
        if asked.granularity is not None:
            raise CommandError(f"Statistics go out as a table: --format {', '.join(FORMATS)}.")
        if name == "-":
            writer = Writer(sys.stdout.buffer)
            writer.begin(_header(asked.selection))
            self._write(writer, asked.selection, None)
        else:
            self._file(Path(name), asked.selection, resume)

    def _file(self, path: Path, selection: Selection, resume: bool) -> None:
        if self._is_complete(path, resume):
            return
        part = part_of(path)
        left = _left(part, selection) if is_begun(path, resume) else _begin(part, selection)
        with open(part, "r+b") as stream:
            alone(stream)
            stream.truncate(left.bytes)
            stream.seek(left.bytes)
            writer = Writer(stream, left.frames, left.samples)
            self._write(writer, left.header.selection, left.place)
            os.fsync(stream.fileno())
        part.rename(path)
        size = path.stat().st_size
        each = f", {size / writer.samples:.1f} bytes a sample" if writer.samples else ""
        self.stderr.write(f"{path}: {filesizeformat(size)}{each}")

    def _write(self, writer: Writer, selection: Selection, place: Place | None) -> None:
        resources = self._places(selection, "resource_id")
        with progress(self.stderr) as bar:
            task = bar.add_task("resources", total=len(resources))
            for frame in export(selection, place):
                writer.add(frame)
                if frame.place is not None:
                    bar.update(task, completed=bisect_right(resources, frame.place.first) - 1)
                    failpoint("export.after_place")
            writer.end()
        self.stderr.write(f"{writer.samples:,} samples")

    # --- both ----------------------------------------------------------------------------------

    def _is_complete(self, path: Path, resume: bool) -> bool:
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


def _header(selection: Selection) -> Header:
    return Header(FORMAT, VERSION, uuid.uuid4(), now_us(), selection)


def _begin(part: Path, selection: Selection) -> Kept:
    """Never a file without its header, so that whatever is there can be gone on with."""
    header, new = _header(selection), part.with_name(f"{part.name}.new")
    with open(new, "wb") as stream:
        Writer(stream).begin(header)
        os.fsync(stream.fileno())
    new.rename(part)
    return Kept(header, None, part.stat().st_size, 0, 0)


def _left(part: Path, selection: Selection) -> Kept:
    try:
        with open(part, "rb") as stream:
            left = kept(stream)
    except SampleFileError as error:
        raise CommandError(f"{part}: {error}") from error
    if selection not in (Selection(), left.header.selection):
        raise CommandError(f"{part} was begun with another selection: leave it out.")
    return left


def _read_by(parse: Callable[[str], T]) -> Callable[[str], T]:
    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return read
