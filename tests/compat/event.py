"""panko's last gabbi files, read where its package put them, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.cookies import store_cookies
from tests.compat.gabbi_files import run_gabbi
from tests.compat.outcomes import Outcome
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS = {
    "TELEMETRY_NOAUTH": "1",
    "TELEMETRY_EVENT_API_PREFIX": "telemetry",
    "TELEMETRY_CORS_ORIGINS": "http://valid.example.com",
}


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, as it ends."""
    url = f"{server.root}/telemetry"
    yield from run_gabbi("panko", url, server, environment, files, prepare)


def prepare(file: str) -> None:
    if file.endswith("with-data"):
        store_cookies()
