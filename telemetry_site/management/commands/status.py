"""`manage.py status`: how each role goes.

Exit code 0: all well; 1: something is wrong; 2: nothing runs here.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import kombu.exceptions
from django.conf import settings
from django.core.management import BaseCommand, CommandParser
from django.db.utils import DatabaseError
from rich.table import Table
from rich.text import Text

from meters.models import Source
from telemetry_site import clock, durability, roles
from telemetry_site.celery import app
from telemetry_site.console import console
from telemetry_site.queues import answering, depths
from telemetry_site.status import Status, read_all

#: A source is silent after so many of its intervals (as on the overview page).
#: A queue that holds more messages than this is behind.
BACKLOG = 1000


@dataclass
class Line:
    """One role, or one remote agent, as shown. `wrong` is "" when all is well."""

    name: str
    state: str
    up_since: str = ""
    last_work: str = ""
    done: int = 0
    failed: int = 0
    backlog: int | None = None
    last_error: str = ""
    wrong: str = ""
    health: str = ""


class Command(BaseCommand):
    help = "Show each role: up since, last work, backlog, last error."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["table", "json"], default="table")
        parser.add_argument("--quiet", action="store_true", help="only the exit code")

    def handle(self, *_: Any, **options: Any) -> None:
        now = clock.now()
        found = read_all()
        depths, trouble = queue_depths([name for status in found for name in status.queues])
        lines = [describe(status, depths) for status in found] + missing_roles(found)
        agents, more_trouble = remote_agents(now, {status.role for status in found})
        trouble += more_trouble
        if not options["quiet"]:
            show = print_json if options["format"] == "json" else print_table
            show(lines + agents, trouble, now)
        sys.exit(exit_code(found, lines + agents, trouble))


def exit_code(found: list[Status], lines: list[Line], trouble: list[str]) -> int:
    if not any(status.alive for status in found):
        return 2
    return 1 if trouble or any(line.wrong for line in lines) else 0


def describe(status: Status, depths: dict[str, int]) -> Line:
    backlog = sum(depths.get(name, 0) for name in status.queues) if status.queues else None
    line = Line(
        status.role, status.state, status.up_since, status.last_work, status.done, status.failed,
        backlog, status.last_error, health=status.health,
    )  # fmt: skip
    if not status.alive:
        line.state = "stopped" if status.state == "stopped" else "dead"
        line.wrong = "is not running"
    elif status.state != "ready":
        line.wrong = f"waits for {status.waits_for}" if status.waits_for else status.state
    elif backlog is not None and backlog > BACKLOG:
        line.wrong = f"{backlog} messages wait"
    return line


def missing_roles(found: list[Status]) -> list[Line]:
    """Roles that should run here but never reported, where any role runs here at all."""
    seen = {status.role for status in found}
    if not seen:
        return []
    return [
        Line(role.name, "never started", wrong="is not running")
        for role in roles.wanted()
        if role.name not in seen
    ]


def queue_depths(names: list[str]) -> tuple[dict[str, int], list[str]]:
    """Messages that wait, by queue, and what is wrong."""
    try:
        with answering(app) as connection:
            return depths(connection, names), []
    except (OSError, kombu.exceptions.OperationalError) as error:
        return {}, [f"The broker gives no answer: {durability.first_line(error)}"]


def remote_agents(now: datetime, here: set[str]) -> tuple[list[Line], list[str]]:
    """Agents on other machines, as their sources tell; those with a status file here are left out.

    An agent is as well as its most lately polled source.
    """
    lines: dict[str, Line] = {}
    try:
        for source in Source.objects.order_by("agent_id", "last_poll"):
            role, _, host = source.agent_id.partition(".")
            if role in here and host == settings.TELEMETRY_HOST:
                continue
            line = lines.setdefault(source.agent_id, Line(source.agent_id, "ready"))
            line.last_work = source.last_poll.isoformat()
            line.last_error = "; ".join(str(error) for error in source.errors)
            silence = source.silence(now)
            line.state = "silent" if silence else "ready"
            line.wrong = f"silent for {silence.total_seconds():.0f} s" if silence else ""
    except DatabaseError as error:
        return [], [f"The database gives no answer: {durability.first_line(error)}"]
    return list(lines.values()), []


def print_json(lines: list[Line], trouble: list[str], _now: datetime) -> None:
    print(json.dumps({"roles": [asdict(line) for line in lines], "trouble": trouble}, indent=2))


def print_table(lines: list[Line], trouble: list[str], now: datetime) -> None:
    out = console(sys.stdout)
    table = Table(box=None, pad_edge=False)
    for title in ("role", "state", "up since", "last work", "done", "failed", "backlog"):
        table.add_column(title, no_wrap=True)
    table.add_column("wrong / last error")
    for line in lines:
        table.add_row(
            line.name,
            Text(line.state, style="red" if line.wrong else "green"),
            ago(line.up_since, now),
            ago(line.last_work, now),
            str(line.done),
            str(line.failed),
            "" if line.backlog is None else str(line.backlog),
            ". ".join(filter(None, [line.wrong, line.last_error])),
        )
    if lines:
        out.print(table)
    else:
        out.print("Nothing runs here; start everything with: manage.py up")
    for sentence in trouble:
        out.print(sentence, style="red")


def ago(moment: str, now: datetime) -> str:
    """`2026-11-25T05:00:00+00:00` → "3 m ago"."""
    if not moment:
        return "never"
    seconds = int((now - datetime.fromisoformat(moment).astimezone(UTC)).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{max(seconds, 0)} s ago"
