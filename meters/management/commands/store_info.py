"""`manage.py store_info`: what the store holds, and how it lies there."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.template.defaultfilters import filesizeformat
from rich.table import Table
from rich.text import Text

from meters.store.info import Info, store_info
from meters.store.surveys import survey
from telemetry_site.console import console


class Command(BaseCommand):
    help = (
        "Show series, samples, bytes a sample, the head's slots, what waits to be packed, and the "
        "meters with the most samples. Counts in a large store are estimates: some pages of each "
        "table are read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["table", "json"], default="table")
        parser.add_argument(
            "--exact", action="store_true", help="read every row: minutes in a large store"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        info = store_info(survey(whole=options["exact"]))
        if options["format"] == "json":
            self.stdout.write(json.dumps(info.plain(), indent=2, default=str))
            return
        out = console(self.stdout)
        out.print(_facts(info))
        out.print(_slots(info))
        if info.survey.meters:
            out.print(_meters(info))


def _facts(info: Info) -> Table:
    table = Table(show_header=False)
    size, found = info.bytes_per_sample, info.survey
    about = "" if found.exact else "about "
    for name, text in (
        ("series", f"{found.series:,}"),
        ("samples in the head", f"{about}{found.head_samples:,}"),
        ("samples in chunks", f"{about}{found.chunk_samples:,}"),
        ("chunks", f"{about}{found.chunks:,}, of which {found.unmerged:,} wait to be merged"),
        ("size of the chunks", filesizeformat(info.ring.chunk_bytes)),
        ("size of the head", filesizeformat(info.ring.head_bytes)),
        ("bytes a sample", f"{about}{size:.2f}" if size else "nothing packed yet"),
        ("oldest day", f"{found.oldest:%Y-%m-%d}" if found.oldest else "nothing packed yet"),
        ("ingest", f"{info.ingest_rate:,.1f} samples/s in the last minutes"),
        ("compaction lag", f"{info.ring.lag_s:.0f} s" if info.ring.lag_s else "none"),
    ):
        table.add_row(name, text)
    return table


def _slots(info: Info) -> Table:
    table = Table("slot", "state", "opened", "size")
    for slot in info.ring.slots:
        opened = f"{slot.opened_at:%Y-%m-%d %H:%M:%S}" if slot.state != "free" else ""
        table.add_row(str(slot.number), slot.state, opened, filesizeformat(slot.bytes))
    return table


def _meters(info: Info) -> Table:
    table = Table("meter", "series", "samples", "compressed")
    for one in info.survey.meters:
        name = one.name or "(without a name)"
        table.add_row(Text(name), f"{one.series:,}", f"{one.samples:,}", filesizeformat(one.bytes))
    return table
