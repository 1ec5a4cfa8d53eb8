"""Polling one definition in a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from meters import wire
from pollers.batch import BatchBuilder
from pollers.polls import run_poll
from pollers.pollsters.cloud import Cloud
from pollers.pollsters.definition import Pollster
from pollers.pollsters.loading import read_pollsters
from pollers.pollsters.source import PollsterSource
from telemetry_site.clock import now_us

SLOT_US = now_us() // 1_000_000 * 1_000_000


def pollsters_of(folder: Path, *written: dict[str, Any]) -> list[Pollster]:
    """The definitions, by way of a file; fails where one is at fault."""
    file = folder / "pollsters.yaml"
    file.write_text(yaml.safe_dump([dict(one) for one in written]))
    made, faults = read_pollsters(file)
    assert not faults, faults
    return made


def poll_with(
    pollsters: Sequence[Pollster],
    cloud: Cloud | None = None,
    deadline_s: float = 10,
    **options: Any,
) -> tuple[BatchBuilder, wire.PollReport, PollsterSource]:
    source = PollsterSource("test", pollsters, cloud, deadline_s, **options)
    return *poll_again(source), source


def poll_again(source: PollsterSource) -> tuple[BatchBuilder, wire.PollReport]:
    builder = BatchBuilder("test")
    report = run_poll(source, builder, SLOT_US, 60)
    source.close()
    return builder, report
