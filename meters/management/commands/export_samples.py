"""`manage.py export_samples FILE`: samples into a file that `import_samples` takes."""

from __future__ import annotations

import fcntl
import os
import sys
import uuid
from argparse import ArgumentTypeError
from bisect import bisect_right
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from meters.api.params import moment
from meters.exporting import export, metrics_of
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
from telemetry_site.clock import now_us, to_us
from telemetry_site.console import progress
from telemetry_site.failpoints import failpoint

NOTHING = "No metric fits --meter and --resource."


class Command(BaseCommand):
    help = (
        "Write samples with all that describes them into FILE, or - for the standard output. It is "
        "FILE.part until it is complete, and --resume goes on with one that was broken off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--meter", action="append", default=[], help="only these (repeatable)")
        parser.add_argument(
            "--resource", action="append", default=[], help="only these ids (repeatable)"
        )
        parser.add_argument("--start", type=_time, help="not before, e.g. 2026-11-25T12:00:00Z")
        parser.add_argument("--stop", type=_time, help="only before")
        parser.add_argument("--resume", action="store_true", help="go on with what was broken off")

    def handle(self, *_: Any, **options: Any) -> None:
        selection = Selection(
            options["meter"], options["resource"],
            *(options[name] and to_us(options[name]) for name in ("start", "stop")),
        )  # fmt: skip
        try:
            if options["file"] == "-":
                self._stream(selection)
            else:
                self._file(Path(options["file"]), selection, options["resume"])
        except OSError as error:
            raise CommandError(f"{error.filename or options['file']}: {error.strerror}") from error

    def _stream(self, selection: Selection) -> None:
        writer = Writer(sys.stdout.buffer)
        writer.begin(_header(selection))
        self._write(writer, selection, None)

    def _file(self, path: Path, selection: Selection, resume: bool) -> None:
        part = path.with_name(f"{path.name}.part")
        if path.exists():
            if not resume:
                raise CommandError(f"{path} is there already.")
            self.stderr.write(f"{path} is complete.")
            return
        if part.exists():
            if not resume:
                raise CommandError(f"{part} is there: go on with --resume, or remove it.")
            left = _left(part, selection)
        else:
            left = _begin(part, selection)
        with open(part, "r+b") as stream:
            _alone(stream)
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
        metrics = metrics_of(selection).order_by("resource_id")
        resources = list(metrics.values_list("resource_id", flat=True).distinct())
        if not resources:
            self.stderr.write(NOTHING if selection.meters or selection.resources else "No metrics.")
        with progress(self.stderr) as bar:
            task = bar.add_task("resources", total=len(resources))
            for frame in export(selection, place):
                writer.add(frame)
                if frame.place is not None:
                    bar.update(task, completed=bisect_right(resources, frame.place.first) - 1)
                    failpoint("export.after_place")
            writer.end()
        self.stderr.write(f"{writer.samples:,} samples")


def _header(selection: Selection) -> Header:
    return Header(FORMAT, VERSION, uuid.uuid4(), now_us(), selection)


def _alone(stream: BinaryIO) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CommandError(f"{stream.name} is being written by another export.") from error


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


def _time(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
