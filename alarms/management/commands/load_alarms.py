"""`manage.py load_alarms DIR`: make the alarms in the database those of a folder of YAML files."""

from __future__ import annotations

import getpass
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from alarms.files import FileError, read_folder
from alarms.loading import apply, compare, diff

KINDS = ("made", "changed", "deleted", "same")


class Command(BaseCommand):
    help = "Make and change alarms as the YAML files of a folder say; all of it or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--dry-run", action="store_true", help="print a diff and change nothing"
        )
        parser.add_argument(
            "--prune", action="store_true", help="delete alarms of this mark that no file has"
        )
        parser.add_argument(
            "--adopt", action="store_true", help="take over alarms of these names made elsewhere"
        )
        parser.add_argument(
            "--mark", default="files",
            help="whose alarms these are, for several folders (default: %(default)s)",
        )  # fmt: skip

    def handle(self, *_: Any, **options: Any) -> None:
        mark = options["mark"]
        if not 1 <= len(mark) <= 255 or "\0" in mark:
            raise CommandError("--mark must have 1 to 255 characters.")
        try:
            written = read_folder(options["folder"])
            found = compare(written, mark, options["prune"], options["adopt"])
            if not options["dry_run"]:
                apply(found, mark, getpass.getuser())
        except FileError as error:
            raise CommandError(str(error)) from error
        for one in found:
            if options["dry_run"]:
                for line in diff(one):
                    self.stdout.write(line)
            elif one.kind != "same":
                self.stdout.write(f"{one.kind}: {one.name}")
        counts = Counter(one.kind for one in found)
        summary = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
        self.stdout.write(
            f"Nothing is done yet: {summary}." if options["dry_run"] else f"{summary}."
        )
