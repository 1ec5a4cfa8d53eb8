"""ceilometer's last gabbi files, read where its package put them, over real HTTP.

Some of them take it for granted that the API has the prefix `telemetry`, the others don't mind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.gabbi_files import run_gabbi
from tests.compat.outcomes import Outcome
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS = {
    "TELEMETRY_NOAUTH": "1",
    "TELEMETRY_METERING_API_PREFIX": "telemetry",
    "TELEMETRY_CORS_ORIGINS": "http://valid.example.com",
    # Samples of 2013.
    "TELEMETRY_RETENTION_DAYS": "0",
}


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, as it ends."""
    url = f"{server.root}/telemetry"
    yield from run_gabbi("ceilometer", url, server, environment, files)
