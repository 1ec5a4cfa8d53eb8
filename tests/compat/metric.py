"""gnocchi's functional and live suites, read where its package put them, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.gabbi_files import run_gabbi
from tests.compat.outcomes import Outcome
from tests.compat.server import Server

PREFIX = "gnocchi"
#: What the files take for granted (metric-api.md 22.2).
SETTINGS = {
    "TELEMETRY_METRIC_API_MAX_LIMIT": "7",
    "TELEMETRY_METRIC_API_FUTURE": "1",
    "TELEMETRY_BASIC_AUTH": "1",
    "TELEMETRY_CORS_ORIGINS": "http://foobar.com",
    "TELEMETRY_PROXY_HEADERS": "1",
    "TELEMETRY_DEFAULT_ARCHIVE_POLICIES": "0",
    "TELEMETRY_PROMETHEUS_FOLD_LABELS": "1",
    "TELEMETRY_RETENTION_DAYS": "0",
}


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, as it ends."""
    yield from run_gabbi("gnocchi", server.url, server, environment, files)
