"""`manage.py nursery server|agent`: used by `manage.py up` only, see `telemetry_site.nursery`."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandParser

from telemetry_site import nursery, run
from telemetry_site.roles import ROLES


class Command(BaseCommand):
    help = "Internal to `manage.py up`: load everything, fork roles on demand."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=["server", "agent"])

    def handle(self, *_: Any, **options: Any) -> None:
        run.preload(options["kind"])
        name = nursery.serve()
        if name == "prepare":
            from telemetry_site.prepare import prepare  # not loadable with an agent's settings

            prepare()
        else:
            run.adopt(ROLES[name])
            run.run_role(ROLES[name])
