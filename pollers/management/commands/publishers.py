"""Show the publishers' targets and what waits for them; take the queue of one away."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from pollers.publishers.configured import configured
from telemetry_site import publishing
from telemetry_site.celery import app
from telemetry_site.console import console
from telemetry_site.queues import answering, broker_errors, depths


class Command(BaseCommand):
    help = "Show the targets that samples and events are handed on to, and how much waits."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["table", "json"], default="table")
        parser.add_argument(
            "--forget", metavar="NAME",
            help="take away the queue of a target that is published to no longer, with what waits",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        targets, wrong = configured()
        try:
            with answering(app) as connection:
                if options["forget"]:
                    if options["forget"] in {target.name for target in targets}:
                        raise CommandError(f"{options['forget']} is published to.")
                    publishing.forget(connection, options["forget"])
                    self.stdout.write(f"forgotten: {options['forget']}")
                    return
                names = [publishing.queue_name(target.name) for target in targets]
                waiting = depths(connection, names)
        except broker_errors() as error:
            raise CommandError(f"The broker gives no answer: {error}") from error
        rows = [
            {
                "name": target.name,
                "target": target.address.shown,
                "gets": "everything" if target.gets_all else "what pipelines say",
                "waiting": waiting[publishing.queue_name(target.name)],
            }
            for target in targets
        ]
        if options["format"] == "json":
            self.stdout.write(json.dumps({"publishers": rows, "wrong": wrong}, indent=1))
        else:
            _show(rows)
            for said in wrong:
                self.stderr.write(said)
        if wrong:
            sys.exit(1)


def _show(rows: list[dict[str, Any]]) -> None:
    out = console(sys.stdout)
    if not rows:
        out.print("Nothing is published: TELEMETRY_PUBLISHERS and pipelines name no target.")
        return
    table = Table("publisher", "target", "gets", "waiting", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    out.print(table)
