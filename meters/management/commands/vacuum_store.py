"""`manage.py vacuum_store`: tidy the store up, and say how much space came back."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.template.defaultfilters import filesizeformat
from rich.table import Table

from meters.models import DeletedSeries
from meters.store import vacuum
from meters.store.compaction import due_for_merging, merge
from meters.store.deletion import sweep_deleted
from telemetry_site.console import console, progress

#: How long those are waited for who pack or merge meanwhile.
PATIENCE_S = 60.0


class Command(BaseCommand):
    help = (
        "Delete chunks of metrics that are gone, merge what was left unmerged, VACUUM the tables. "
        "May run at any time, beside everything else, and be broken off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what there is to do")
        parser.add_argument(
            "--full", action="store_true",
            help="rewrite the tables, so that the disk gets all unused space back; who reads or "
            "writes a table waits meanwhile",
        )  # fmt: skip

    def handle(self, *_: Any, **options: Any) -> None:
        if options["dry_run"]:
            self._look()
        else:
            self._note_orphans()
            self._sweep()
            self._merge()
            self._vacuum(options["full"])

    def _look(self) -> None:
        with progress(self.stderr) as bar:
            parts = bar.track(vacuum.ranges(), description="orphans")
            found = [vacuum.count_orphans(*part) for part in parts]
        series, chunks = sum(one[0] for one in found), sum(one[1] for one in found)
        noted = DeletedSeries.objects.count()
        self.stdout.write(f"chunks without a metric, to be deleted: {chunks}, of {series} series")
        self.stdout.write(f"deleted series, to be swept: {noted}")
        self.stdout.write(f"days of single series, to be merged: {due_for_merging()}")
        table = Table("table", "size", "dead rows")
        for name in vacuum.tables():
            state = vacuum.state_of(name)
            table.add_row(name, filesizeformat(state.bytes), f"{state.dead:,}")
        console(self.stdout).print(table)

    def _note_orphans(self) -> None:
        with progress(self.stderr) as bar:
            parts = bar.track(vacuum.ranges(), description="orphans")
            series = sum(vacuum.note_orphans(*part) for part in parts)
        self.stdout.write(f"series without a metric: {series}")

    def _sweep(self) -> None:
        """Delete the chunks of all series that are noted as deleted."""
        chunks, end = 0, time.monotonic() + PATIENCE_S
        with progress(self.stderr) as bar:
            task = bar.add_task("sweeping", total=DeletedSeries.objects.count())
            while DeletedSeries.objects.exists() and time.monotonic() < end:
                swept = sweep_deleted()
                if swept is None:
                    time.sleep(0.2)
                    continue
                chunks, end = chunks + swept.chunks, time.monotonic() + PATIENCE_S
                bar.advance(task, swept.series)
        self.stdout.write(f"chunks of deleted series, deleted: {chunks}")
        if left := DeletedSeries.objects.count():
            self.stdout.write(f"left to the periodic job, as others pack or merge: {left} series")

    def _merge(self) -> None:
        merged = 0
        with progress(self.stderr) as bar:
            task = bar.add_task("merging", total=due_for_merging())
            while made := merge():
                merged += made
                bar.advance(task, made)
        self.stdout.write(f"days of single series, merged: {merged}")

    def _vacuum(self, full: bool) -> None:
        table, back = Table("table", "before", "after", "dead rows before", "after"), 0
        with progress(self.stderr) as bar:
            for name in bar.track(list(vacuum.tables()), description="vacuum"):
                before = vacuum.state_of(name)
                try:
                    vacuum.vacuum(name, rewrite=full)
                except OperationalError as error:
                    raise CommandError(f"VACUUM of {name}: {str(error).strip()}") from error
                after = vacuum.state_of(name)
                back += before.bytes - after.bytes
                sizes = filesizeformat(before.bytes), filesizeformat(after.bytes)
                table.add_row(name, *sizes, f"{before.dead:,}", f"{after.dead:,}")
        console(self.stdout).print(table)
        self.stdout.write(f"given back to the disk: {filesizeformat(max(back, 0))}")
