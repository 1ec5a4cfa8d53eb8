"""aodh's last gabbi suites, functional and live, read where its package put them, over real HTTP.

They take it for granted that the API is at a host's root, so it is behind a front that shows it
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.front import front
from tests.compat.gabbi_files import run_gabbi
from tests.compat.outcomes import Outcome
from tests.compat.server import Server
from tests.support.ports import free_port

PREFIX = "metric"
PORT = free_port()
SETTINGS = {
    "TELEMETRY_NOAUTH": "1",
    "TELEMETRY_CORS_ORIGINS": "http://valid.example.com",
    "TELEMETRY_ALARMING_API_URL": f"http://127.0.0.1:{PORT}",
}


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, as it ends."""
    with front(PORT, f"{server.root}/alarming") as url:
        yield from run_gabbi("aodh", url, server, environment, files)
