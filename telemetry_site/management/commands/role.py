"""`manage.py role NAME`: run one role in the foreground, as a unit file does.

`celery -A telemetry_site.celery:app worker -Q …` does the same for the Celery roles but imports
Celery's whole command line (0.7 s a process, measured).
"""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandParser

from telemetry_site.roles import ROLES
from telemetry_site.run import run_role


class Command(BaseCommand):
    help = "Run one role in the foreground."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=sorted(ROLES))

    def handle(self, *_: Any, **options: Any) -> None:
        run_role(ROLES[options["name"]])
