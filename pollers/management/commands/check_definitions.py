"""Check definition files before they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from pollers.notification.convert import load_converter
from pollers.notification.events import load_events
from pollers.notification.meters import load_meters
from telemetry_site.yamlfile import Fault, read_yaml


class Command(BaseCommand):
    help = (
        "Check event and meter definition files; without FILES those that the settings name. "
        "Prints file:line: fault, and exits with 1 if there is one."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE")

    def handle(self, *args: Any, files: list[Path], **options: Any) -> None:
        faults = (
            [fault for file in files for fault in _check(file)] if files else load_converter()[1]
        )
        for fault in faults:
            self.stdout.write(str(fault))
        if faults:
            raise CommandError(f"{len(faults)} faults")
        self.stdout.write("no faults")


def _check(file: Path) -> list[Fault]:
    """A mapping with `metric` is a file of meters, a list one of events."""
    content, _ = read_yaml(file)
    return load_meters([file])[1] if isinstance(content, dict) else load_events([file])[1]
