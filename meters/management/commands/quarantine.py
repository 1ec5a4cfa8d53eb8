"""`manage.py quarantine list|show|replay|discard`: what could not be stored, and why."""

from __future__ import annotations

import getpass
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.db.models.functions import Now
from rich.table import Table

from meters.models import Quarantine
from meters.replay import replay
from meters.store import quarantine
from telemetry_site.arguments import hours, printable, row_id, rows
from telemetry_site.console import console
from telemetry_site.texts import visible

SHOWN_BODY = 4096


class Command(BaseCommand):
    help = "List, show, replay or discard what is in the quarantine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="one row whole, with its body")
        show.add_argument("id", type=row_id)
        for name, text in (
            ("list", "the open rows, newest first"),
            ("replay", "send rows through the normal path again"),
            ("discard", "close rows for good"),
        ):
            action = actions.add_parser(name, help=text)
            action.add_argument("id", type=row_id, nargs="*", help="rows (default: all that match)")
            action.add_argument("--reason", choices=Quarantine.Reason.values)
            action.add_argument("--agent", type=printable, help="agent id")
            action.add_argument("--since-hours", type=hours, help="not older than this")
            action.add_argument("--format", choices=["table", "json"], default="table")
            if name == "list":
                action.add_argument("--state", choices=Quarantine.State.values, default="open")
                action.add_argument("--limit", type=rows, default=50)
            else:
                action.add_argument("--dry-run", action="store_true", help="only say which")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        found = list(_chosen(options).order_by("-pk")[: options["limit"]])
        if options["format"] == "json":
            self.stdout.write(json.dumps([_summary(row) for row in found], indent=2))
            return
        if not found:
            self.stdout.write(f"Nothing {options['state']} in the quarantine.")
            return
        table = Table("id", "when", "reason", "agent", "source", "detail")
        for row in found:
            when = f"{row.created_at:%Y-%m-%d %H:%M:%S}"
            texts = row.reason, row.agent_id, row.source, row.detail[:120]
            table.add_row(str(row.pk), when, *map(visible, texts))
        console(self.stdout).print(table)

    def _show(self, options: dict[str, Any]) -> None:
        row = Quarantine.objects.filter(pk=options["id"]).first()
        if row is None:
            raise CommandError(f"There is no quarantine row {options['id']}.")
        for name, value in _summary(row).items():
            self.stdout.write(visible(f"{name:12} {value}"))
        self.stdout.write(f"{'headers':12} {json.dumps(row.headers)}")
        body = bytes(row.body)
        self.stdout.write(f"{'body':12} {len(body)} bytes")
        self.stdout.write(visible(body[:SHOWN_BODY].decode("utf-8", "backslashreplace")))

    def _replay(self, options: dict[str, Any]) -> None:
        ids = self._ids(options)
        if options["dry_run"]:
            return
        done, refused = replay(ids, by=getpass.getuser())
        self.stdout.write(f"{done} replayed, {len(refused)} refused")
        for pk, why in refused.items():
            self.stdout.write(visible(f"  {pk}: {why}"))
        if refused:
            raise CommandError("Some rows still can't be stored; they stay open.")

    def _discard(self, options: dict[str, Any]) -> None:
        ids = self._ids(options)
        if not options["dry_run"]:
            self.stdout.write(f"{quarantine.discard(ids, by=getpass.getuser())} discarded")

    def _ids(self, options: dict[str, Any]) -> list[int]:
        ids = list(_chosen({**options, "state": "open"}).values_list("pk", flat=True))
        self.stdout.write(f"{len(ids)} open rows match: {', '.join(map(str, ids[:20]))}")
        return ids


def _chosen(options: dict[str, Any]) -> QuerySet[Quarantine]:
    found = Quarantine.objects.filter(state=options["state"])
    if options["id"]:
        found = found.filter(pk__in=options["id"])
    if options["reason"]:
        found = found.filter(reason=options["reason"])
    if options["agent"]:
        found = found.filter(agent_id=options["agent"])
    if options["since_hours"] is not None:
        found = found.filter(created_at__gte=Now() - options["since_hours"])
    return found


def _summary(row: Quarantine) -> dict[str, Any]:
    return {
        "id": row.pk,
        "created_at": row.created_at.isoformat(),
        "state": row.state,
        "reason": row.reason,
        "form": row.form,
        "agent_id": row.agent_id,
        "source": row.source,
        "batch_id": row.batch_id,
        "path": row.json_path,
        "detail": row.detail,
    }
