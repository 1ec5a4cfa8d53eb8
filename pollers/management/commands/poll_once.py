"""`manage.py poll_once`: what would this agent measure, right now, in this process?"""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from meters import wire
from pollers.batch import BatchBuilder
from pollers.central.plan import central_work
from pollers.central.snmp.source import SnmpSource
from pollers.compute.sources import ComputeSources
from pollers.errors import PollersError
from pollers.explaining import explained
from pollers.polls import Source, run_poll
from pollers.pollsters.source import PollsterSource
from pollers.send import NotStoredError, send_and_wait
from pollers.work import compute_work
from telemetry_site.clock import from_us, now_us
from telemetry_site.console import console

RECEIPT_WITHIN_S = 30.0


class Command(BaseCommand):
    help = "Poll once and print the samples; nothing is sent unless --send is given."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "what", nargs="?", default="all", metavar="SOURCE",
            help="host, compute, central, all (the default), a source as the sources page names "
            "it, a source of the polling file, or a pollster; the shell's wildcards fit",
        )  # fmt: skip
        parser.add_argument(
            "--explain", action="store_true",
            help="also tell which requests were made, what matched, and each sample's metadata",
        )  # fmt: skip
        parser.add_argument("--format", default="table", choices=["table", "json"])
        parser.add_argument(
            "--send", action="store_true", help="also send it, and wait until it is stored"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        builder = BatchBuilder(f"poll_once.{settings.TELEMETRY_HOST}")
        try:
            sources = chosen(options["what"])
        except PollersError as error:
            raise CommandError(str(error)) from error
        if not sources:
            raise CommandError(nothing_to_poll(options["what"]))
        for source in sources:
            run_poll(source, builder, now_us() // 1000 * 1000, settings.TELEMETRY_POLL_INTERVAL)
        batches = builder.batches()
        if options["explain"]:
            for line in explained(sources, batches):
                self.stdout.write(line)
        show = show_json if options["format"] == "json" else show_table
        show(batches)
        if options["send"]:
            self.send(builder.agent_id, batches)
        if any(report.outcome == "error" for report in builder.reports):
            sys.exit(1)

    def send(self, agent_id: str, batches: list[wire.Batch]) -> None:
        try:
            receipts = send_and_wait(agent_id, batches, RECEIPT_WITHIN_S)
        except NotStoredError as error:
            raise CommandError(str(error)) from error
        for receipt in receipts:
            self.stderr.write(
                f"batch {receipt.batch_id}: {receipt.status}, {receipt.rejected} rejected"
            )


def chosen(what: str) -> list[Source]:
    """Raises `PollersError` where a file of the settings is at fault."""
    compute = ComputeSources()
    if what == "host":
        return compute.host()
    if what == "compute":
        return compute.hypervisors()
    central = [work.source for work in central_work().values()]
    if what in ("central", "all"):
        return central if what == "central" else [*compute.all(), *central]
    on_hosts = [work.source for work in compute_work()]
    return [source for source in [*central, *on_hosts] if _fits(source, what)]


def _fits(source: Source, what: str) -> bool:
    """By its name, that of its part of the polling file, or one of its pollsters."""
    pollsters = source.pollsters if isinstance(source, PollsterSource | SnmpSource) else []
    names = [source.name, source.name.partition(": ")[0], *(one.name for one in pollsters)]
    return any(fnmatchcase(name, what) for name in names)


def nothing_to_poll(what: str) -> str:
    if what == "compute":
        return "No hypervisor: install libvirt and libvirt-python, or name one by LIBVIRT_URI."
    if what == "central":
        return (
            "No sources: name endpoints in TELEMETRY_SCRAPE_URLS, hosts in TELEMETRY_SNMP_URLS, "
            "separated by commas, or a cloud by TELEMETRY_OPENSTACK_AUTH_URL."
        )
    names = [*central_work(), *(work.name for work in compute_work())]
    return (
        f"No source fits {what!r}. There are: host, compute{''.join(f'; {one}' for one in names)}."
    )


def samples_of(batches: list[wire.Batch]) -> list[dict[str, Any]]:
    """Every sample as a dictionary, in the order of the poll."""
    rows = []
    for batch in batches:
        if batch.samples is None:
            continue
        catalogue = wire.decode_catalogue(batch.samples)
        columns = wire.decode_columns(batch.samples)
        for index, at, value in zip(columns.index, columns.timestamp, columns.value, strict=True):
            series = catalogue.series[index]
            rows.append(
                {
                    "resource": catalogue.resources[series.resource].id,
                    "meter": series.meter,
                    "value": float(value),
                    "unit": series.unit,
                    "type": series.type,
                    "timestamp": from_us(at).isoformat(timespec="milliseconds"),
                }
            )
    return rows


def reports_of(batches: list[wire.Batch]) -> list[wire.PollReport]:
    return [report for batch in batches for report in batch.reports]


def show_json(batches: list[wire.Batch]) -> None:
    reports = [
        {
            "kind": report.kind,
            "source": report.source,
            "outcome": report.outcome,
            "duration_s": report.duration_s,
            "samples": report.samples,
            "errors": report.errors,
            "details": report.details,
        }
        for report in reports_of(batches)
    ]
    rejects = [reject.detail for batch in batches for reject in batch.rejects]
    document = {"samples": samples_of(batches), "reports": reports, "rejects": rejects}
    print(json.dumps(document, indent=1))


def show_table(batches: list[wire.Batch]) -> None:
    out = console(sys.stdout)
    table = Table("resource", "meter", "value", "unit", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for row in samples_of(batches):
        table.add_row(row["resource"], row["meter"], f"{row['value']:.10g}", row["unit"])
    out.print(table)
    out.print()
    for report in reports_of(batches):
        out.print(
            f"{report.kind} {report.source}: {report.outcome}, {report.samples} samples "
            f"in {report.duration_s:.3f} s",
            markup=False,
            highlight=False,
        )
        for error in report.errors:
            out.print(f"  {error}", markup=False, highlight=False)
    for reject in (reject for batch in batches for reject in batch.rejects):
        out.print(f"rejected: {reject.detail}", markup=False, highlight=False)
