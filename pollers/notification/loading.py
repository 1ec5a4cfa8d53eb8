"""The definitions that are in use, read as the settings name them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import structlog
from django.conf import settings

from pollers.notification.convert import Converter
from pollers.notification.events import load_events
from pollers.notification.meter_files import load_meters, meter_files
from pollers.notification.meters import Options
from pollers.notification.pipelines import Pipelines, load_pipelines
from pollers.notification.resource_files import load_resource_rules
from telemetry_site.yamlfile import Fault

log = structlog.get_logger(__name__)

STOCK = Path(__file__).resolve().parent.parent / "definitions"


def load_converter() -> tuple[Converter, list[Fault]]:
    """The stock definitions and the operator's files, as the settings name them."""
    events, event_faults = load_events(
        [STOCK / "events.yaml", *map(Path, settings.TELEMETRY_EVENT_DEFINITIONS)],
        drop_unmatched=settings.TELEMETRY_DROP_UNMATCHED_NOTIFICATIONS,
        store_raw=settings.TELEMETRY_STORE_RAW,
    )
    options = Options(
        user_metadata_prefixes=tuple(settings.TELEMETRY_USER_METADATA_PREFIXES),
        user_metadata_keys=tuple(settings.TELEMETRY_USER_METADATA_KEYS),
        user_metadata_length=settings.TELEMETRY_USER_METADATA_LENGTH,
    )
    files = meter_files([*map(Path, settings.TELEMETRY_METER_DEFINITIONS), STOCK / "meters.yaml"])
    meters, meter_faults = load_meters(files, options)
    meter_pipelines, wrong = _pipelines(settings.TELEMETRY_METER_PIPELINE, "meters")
    event_pipelines, also_wrong = _pipelines(settings.TELEMETRY_EVENT_PIPELINE, "events")
    resources, resource_faults = load_resource_rules(
        Path(settings.TELEMETRY_RESOURCE_DEFINITIONS or STOCK / "resources.yaml")
    )
    converter = Converter(
        events,
        meters,
        secret=settings.TELEMETRY_NOTIFICATION_SECRET,
        meter_pipelines=meter_pipelines,
        event_pipelines=event_pipelines,
        resources=resources,
    )
    return converter, [*event_faults, *meter_faults, *wrong, *also_wrong, *resource_faults]


def _pipelines(name: str, what: str) -> tuple[Pipelines | None, list[Fault]]:
    return load_pipelines(Path(name), what) if name else (None, [])


@lru_cache(maxsize=1)
def current_converter() -> Converter:
    """The process's converter; each fault of the files is said once, in the log."""
    converter, faults = load_converter()
    for fault in faults:
        if fault.is_note:
            log.info("definition file", note=str(fault))
        else:
            log.error("definition file", fault=str(fault))
    return converter
