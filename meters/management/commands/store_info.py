"""`manage.py store_info`: what the store holds, and how it lies there."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.template.defaultfilters import filesizeformat
from rich.table import Table

from meters.store.info import Info, store_info
from telemetry_site import clock
from telemetry_site.console import console


class Command(BaseCommand):
    help = "Show series, samples, bytes a sample, the head's slots, and what waits to be packed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["table", "json"], default="table")

    def handle(self, *_: Any, **options: Any) -> None:
        info = store_info()
        if options["format"] == "json":
            self.stdout.write(json.dumps(_as_json(info), indent=2, default=str))
            return
        out = console(self.stdout)
        out.print(_facts(info))
        out.print(_slots(info))


def _as_json(info: Info) -> dict[str, Any]:
    return {
        **info._asdict(),
        "slots": [slot._asdict() for slot in info.slots],
        "bytes_per_sample": info.bytes_per_sample,
        "compaction_lag_seconds": _lag_s(info),
    }


def _lag_s(info: Info) -> float:
    waiting = info.oldest_waiting
    return (clock.now() - waiting).total_seconds() if waiting else 0.0


def _facts(info: Info) -> Table:
    table = Table(show_header=False)
    size = info.bytes_per_sample
    for name, text in (
        ("series", f"{info.series:,}"),
        ("samples in the head", f"{info.head_samples:,}"),
        ("samples in chunks", f"{info.chunk_samples:,}"),
        ("chunks", f"{info.chunks:,}, of which {info.unmerged:,} wait to be merged"),
        ("size of the chunks", filesizeformat(info.chunk_bytes)),
        ("bytes a sample", f"{size:.2f}" if size else "nothing packed yet"),
        ("oldest day", f"{info.oldest:%Y-%m-%d}" if info.oldest else "nothing packed yet"),
        ("compaction lag", f"{_lag_s(info):.0f} s" if info.oldest_waiting else "none"),
    ):
        table.add_row(name, text)
    return table


def _slots(info: Info) -> Table:
    table = Table("slot", "state", "opened", "size")
    for slot in info.slots:
        opened = f"{slot.opened_at:%Y-%m-%d %H:%M:%S}" if slot.state != "free" else ""
        table.add_row(str(slot.number), slot.state, opened, filesizeformat(slot.bytes))
    return table
