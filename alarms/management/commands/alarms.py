"""`manage.py alarms`: every alarm with its state and why it is in it."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.table import Table

from alarms.choices import State
from alarms.definition import parse_rule
from alarms.definition.words import sentence
from alarms.errors import DefinitionError
from alarms.models import Alarm
from telemetry_site.arguments import rows
from telemetry_site.console import console


class Command(BaseCommand):
    help = "List alarms, the state that changed last first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--state", choices=State.values)
        parser.add_argument("--project", help="only this project's")
        parser.add_argument("--limit", type=rows, default=50)
        parser.add_argument("--format", choices=["table", "json"], default="table")

    def handle(self, *_: Any, **options: Any) -> None:
        alarms = Alarm.objects.order_by("-state_timestamp", "id")
        if options["state"]:
            alarms = alarms.filter(state=options["state"])
        if options["project"]:
            alarms = alarms.filter(project_id=options["project"])
        found = [_summary(alarm) for alarm in alarms[: options["limit"]]]
        if options["format"] == "json":
            self.stdout.write(json.dumps(found, indent=2))
        elif found:
            console(self.stdout).print(_table(found))
        elif Alarm.objects.exists():
            self.stdout.write("No alarms match.")
        else:
            self.stdout.write("There are no alarms yet; manage.py create_alarm makes one.")


def _summary(alarm: Alarm) -> dict[str, Any]:
    return {
        "id": str(alarm.pk),
        "name": alarm.name,
        "enabled": alarm.enabled,
        "state": alarm.state,
        "since": alarm.state_timestamp.isoformat(timespec="seconds"),
        "reason": alarm.evaluation_error or alarm.state_reason,
        "rule": _in_words(alarm),
        "project_id": alarm.project_id,
    }


def _in_words(alarm: Alarm) -> str:
    try:
        return sentence(parse_rule(alarm.type, alarm.rule))
    except DefinitionError as error:
        return f"unreadable: {error}"


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table("state", "since", "name", "rule", "why")
    for one in found:
        state = one["state"] if one["enabled"] else f"{one['state']} (off)"
        since = one["since"][:19].replace("T", " ")
        table.add_row(state, since, *(one[name] for name in ("name", "rule", "reason")))
    return table
