"""Check definition files before they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from pollers.central.scrape_file import read_jobs
from pollers.central.snmp.loading import INSPECTOR, load_snmp_meters
from pollers.compute.meters import COMPUTE_METERS
from pollers.notification.events import load_events
from pollers.notification.loading import load_converter
from pollers.notification.meter_files import load_meters
from pollers.notification.pipelines import load_pipelines
from pollers.notification.resource_files import load_resource_rules
from pollers.polling_file import read_polling, unmatched
from pollers.pollsters.keys import KEYS as POLLSTER_KEYS
from pollers.pollsters.loading import load_pollsters
from telemetry_site.yamlfile import Fault, read_yaml


class Command(BaseCommand):
    help = (
        "Check definition files of events, meters, SNMP meters and pollsters, pipeline, resource, "
        "polling and scrape files; without FILES those that the settings name. Prints "
        "file:line: fault, and exits with 1 if there is one. What is done in another way than the "
        "file says is a note, and no fault."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE")

    def handle(self, *args: Any, files: list[Path], **options: Any) -> None:
        faults = [fault for file in files for fault in _check(file)] if files else _settings()
        for fault in faults:
            self.stdout.write(str(fault))
        count = sum(not fault.is_note for fault in faults)
        if count:
            raise CommandError(f"{count} faults")
        self.stdout.write("no faults")


def _check(file: Path) -> list[Fault]:
    """By what the file looks like. A directory is one of pollsters."""
    if file.is_dir():
        return load_pollsters([file], stock=False)[1]
    content, faults = read_yaml(file)
    if content is None and not faults:
        return [Fault(str(file), 1, "nothing stands in this file")]
    if isinstance(content, dict):
        if "sinks" in content:
            return load_pipelines(file, _pipelined(content))[1]
        if "resources" in content:
            return load_resource_rules(file)[1]
        if "sources" in content:
            return _check_polling(file)
        if "scrape_configs" in content:
            return read_jobs(file, settings.TELEMETRY_POLL_INTERVAL)[1]
        if _are_of_snmp(content):
            return load_snmp_meters([file], stock=False)[1]
        return load_meters([file])[1]
    if _are_pollsters(content):
        return load_pollsters([file], stock=False)[1]
    return load_events([file])[1]


def _are_of_snmp(content: dict[str, Any]) -> bool:
    """Whether any entry has the key that only meters of SNMP have."""
    entries = content.get("metric")
    entries = entries if isinstance(entries, list) else []
    return any(isinstance(entry, dict) and INSPECTOR in entry for entry in entries)


def _are_pollsters(content: Any) -> bool:
    """Whether any entry of a list has a key that only pollsters have."""
    own = POLLSTER_KEYS.keys() - {"name", "unit", "value", "resource_type"}
    entries = content if isinstance(content, list) else []
    return any(isinstance(entry, dict) and own & entry.keys() for entry in entries)


def _pipelined(content: dict[str, Any]) -> str:
    """Whether a pipeline file is one of samples or of events."""
    sources = content.get("sources") or []
    first = sources[0] if isinstance(sources, list) and sources else {}
    return "events" if isinstance(first, dict) and "meters" not in first else "meters"


def _check_polling(file: Path) -> list[Fault]:
    """Its form, and names of meters that nothing polls."""
    sources, faults = read_polling(file)
    pollsters, _ = load_pollsters(map(Path, settings.TELEMETRY_POLLSTER_DEFINITIONS))
    of_snmp, _ = load_snmp_meters(map(Path, settings.TELEMETRY_SNMP_DEFINITIONS))
    return faults + unmatched(sources, [*COMPUTE_METERS, *pollsters], of_snmp)


def _settings() -> list[Fault]:
    """Everything that the settings name, and what is ours."""
    faults = list(load_converter()[1])
    faults += load_pollsters(map(Path, settings.TELEMETRY_POLLSTER_DEFINITIONS))[1]
    faults += load_snmp_meters(map(Path, settings.TELEMETRY_SNMP_DEFINITIONS))[1]
    for name in (settings.TELEMETRY_POLLING_FILE, settings.TELEMETRY_SCRAPE_FILE):
        faults += _check(Path(name)) if name else []
    return faults
