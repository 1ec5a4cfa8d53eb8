"""`manage.py import_samples FILE`: store the samples of a file that `export` wrote."""

from __future__ import annotations

import os
import sys
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

from meters.importing import frames_imported, store_file
from meters.sample_file import Reader, SampleFileError
from telemetry_site.console import progress
from telemetry_site.database import AWAY


class Command(BaseCommand):
    help = (
        "Store the samples of FILE, or - for the standard input, with what describes them. What is "
        "there already is stored again with the file's values; --resume skips what an import that "
        "was broken off has stored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--resume", action="store_true", help="go on with what was broken off")

    def handle(self, *_: Any, **options: Any) -> None:
        name = options["file"]
        try:
            if name == "-":
                self._import(sys.stdin.buffer, None, options["resume"])
                return
            with open(name, "rb") as stream:
                self._import(stream, os.fstat(stream.fileno()).st_size, options["resume"])
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}") from error
        except SampleFileError as error:
            raise CommandError(f"{name}: {error}") from error
        except AWAY as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(f"The database is away ({reason}): go on with --resume.") from error

    def _import(self, stream: BinaryIO, size: int | None, resume: bool) -> None:
        reader = Reader(stream)
        skip = frames_imported(reader) if resume else 0
        stored = ancient = 0
        columns = DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
        try:
            with progress(self.stderr, *columns) as bar:
                task = bar.add_task("import", total=size)
                for done in store_file(reader, skip):
                    stored, ancient = stored + done.samples, ancient + done.ancient
                    bar.update(task, completed=reader.offset)
        finally:
            if skip:
                self.stderr.write(f"{skip:,} frames were stored before")
            self.stderr.write(f"{stored:,} samples stored")
            if ancient:
                self.stderr.write(
                    f"{ancient:,} of them are older than TELEMETRY_RETENTION_DAYS: where no "
                    "archive policy keeps them they are deleted within a day"
                )
