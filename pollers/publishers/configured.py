"""The targets of this installation: of `TELEMETRY_PUBLISHERS`, and of the pipeline files."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from pollers.notification.pipelines import load_pipelines
from pollers.publishers.targets import Target, merged, of_settings


def configured() -> tuple[list[Target], list[str]]:
    """(targets, what is wrong in the settings). Faults of pipeline files are told elsewhere."""
    everything, wrong = of_settings()
    fed: list[Target] = []
    for name, what in (
        (settings.TELEMETRY_METER_PIPELINE, "meters"),
        (settings.TELEMETRY_EVENT_PIPELINE, "events"),
    ):
        if name:
            pipelines, _ = load_pipelines(Path(name), what)
            fed += pipelines.targets if pipelines else []
    return merged(everything, fed), wrong
