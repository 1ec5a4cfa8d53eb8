"""`manage.py notifications list|show|retry|cancel`: what alarms asked to be sent."""

from __future__ import annotations

import json
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.db.models.functions import Now
from rich.table import Table

from alarms import outbox
from alarms.choices import Delivery
from alarms.models import Notification
from alarms.notifier.sweep import backlog
from alarms.notifier.urls import shown
from telemetry_site.arguments import hours, rows
from telemetry_site.console import console

#: What `retry` takes where nobody says which.
GIVEN_UP = (Delivery.FAILED, Delivery.DEAD)


class Command(BaseCommand):
    help = "List, show, send again or cancel notifications."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="one of them with its attempts")
        show.add_argument("id", type=uuid.UUID)
        for name, text in (
            ("list", "newest first"),
            ("retry", "send those once more that failed for good or were given up"),
            ("cancel", "send no more of those that wait"),
        ):
            action = actions.add_parser(name, help=text)
            action.add_argument("id", type=uuid.UUID, nargs="*", help="(default: all that match)")
            action.add_argument("--alarm", type=uuid.UUID, help="of this alarm")
            action.add_argument("--destination", help="as listed: https://host:port")
            action.add_argument("--since-hours", type=hours, help="not older than this")
            if name == "list":
                action.add_argument("--status", choices=Delivery.values)
                action.add_argument("--limit", type=rows, default=50)
                action.add_argument("--format", choices=["table", "json"], default="table")
            else:
                action.add_argument("--dry-run", action="store_true", help="only say how many")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = _chosen(options)
        if options["status"]:
            rows = rows.filter(status=options["status"])
        found = list(rows.order_by("-created_at", "id")[: options["limit"]])
        if options["format"] == "json":
            self.stdout.write(json.dumps([_summary(row) for row in found], indent=2))
            return
        if found:
            console(self.stdout).print(_table(found))
        else:
            self.stdout.write("No notifications match.")
        now = backlog()
        self.stdout.write(
            f"{now.pending} waiting ({now.due} due), {now.dead} given up, "
            f"{now.breakers} receivers left alone for the moment"
        )

    def _show(self, options: dict[str, Any]) -> None:
        row = Notification.objects.filter(pk=options["id"]).first()
        if row is None:
            raise CommandError(f"There is no notification {options['id']}.")
        for name, value in _summary(row).items():
            self.stdout.write(f"{name:16} {'' if value is None else value}")
        self.stdout.write(f"{'body':16} {row.body}")
        table = Table("attempt", "began", "took", "answer")
        for attempt in row.tries.all():
            took = "" if attempt.duration_s is None else f"{attempt.duration_s:.2f} s"
            said = attempt.error or attempt.status_code or ("delivered" if took else "no end known")
            text = f"{said} {attempt.answer[:200]}".strip()
            table.add_row(
                str(attempt.number), f"{attempt.started_at:%Y-%m-%d %H:%M:%S}", took, text
            )
        console(self.stdout).print(table)

    def _retry(self, options: dict[str, Any]) -> None:
        rows = _chosen(options)
        if not options["id"]:
            rows = rows.filter(status__in=GIVEN_UP)
        self._change(rows, options, "to be sent again", outbox.retry)

    def _cancel(self, options: dict[str, Any]) -> None:
        rows = _chosen(options).filter(status=Delivery.PENDING)
        self._change(rows, options, "cancelled", outbox.cancel_pending)

    def _change(
        self, rows: QuerySet[Notification], options: dict[str, Any], done: str, change: Any
    ) -> None:
        if options["dry_run"]:
            self.stdout.write(f"{rows.count()} match")
        else:
            self.stdout.write(f"{change(rows)} {done}")


def _chosen(options: dict[str, Any]) -> QuerySet[Notification]:
    rows: QuerySet[Notification] = Notification.objects.all()
    if options["id"]:
        rows = rows.filter(pk__in=options["id"])
    if options["alarm"]:
        rows = rows.filter(alarm_id=options["alarm"])
    if options["destination"]:
        rows = rows.filter(destination=options["destination"])
    if options["since_hours"] is not None:
        rows = rows.filter(created_at__gte=Now() - options["since_hours"])
    return rows


def _table(rows: list[Notification]) -> Table:
    table = Table("id", "created", "alarm", "change", "to", "status", "attempts", "last answer")
    for row in rows:
        table.add_row(
            str(row.pk), f"{row.created_at:%m-%d %H:%M:%S}", row.alarm_name,
            f"{row.previous} → {row.current}", shown(row.url), row.status, str(row.attempts),
            row.last_error or str(row.last_status or ""),
        )  # fmt: skip
    return table


def _summary(row: Notification) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "created_at": row.created_at.isoformat(),
        "alarm_id": str(row.alarm_id),
        "alarm_name": row.alarm_name,
        "previous": row.previous,
        "current": row.current,
        "url": shown(row.url),
        "status": row.status,
        "attempts": row.attempts,
        "next_attempt_at": row.next_attempt_at.isoformat() if row.status == "pending" else None,
        "last_status": row.last_status,
        "last_error": row.last_error,
        "delivered_at": row.delivered_at.isoformat() if row.delivered_at else None,
    }
