"""`manage.py dump_alarms`: alarms as a YAML file that load_alarms reads."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from alarms import files, lifecycle
from alarms.models import Alarm


class Command(BaseCommand):
    help = "Write alarms as load_alarms reads them. URLs of actions are whole, secrets included."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", help="only this project's")
        parser.add_argument("--mark", help="only those that load_alarms made with this mark")

    def handle(self, *_: Any, **options: Any) -> None:
        rows = Alarm.objects.order_by("project_id", "name", "pk")
        if options["project"]:
            rows = rows.filter(project_id=options["project"])
        if options["mark"]:
            rows = rows.filter(managed_by=options["mark"])
        documents = [
            files.document(
                {name: getattr(alarm, name) for name in lifecycle.FIELDS}, alarm.project_id
            )
            for alarm in rows
        ]
        self.stdout.write(files.dumped(documents), ending="")
