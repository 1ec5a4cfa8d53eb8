"""`manage.py up`: the whole house on one machine, one command."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from telemetry_site.errors import SiteError
from telemetry_site.house import House


class Command(BaseCommand):
    help = "Start embedded servers (unless URLs are set) and every role; Ctrl-C stops all."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--roles", default="", help="only these, comma separated")
        parser.add_argument(
            "--with", dest="extras", action="append", default=[], choices=["flower"]
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            House(options["roles"], options["extras"]).run()
        except SiteError as error:
            raise CommandError(str(error)) from error
