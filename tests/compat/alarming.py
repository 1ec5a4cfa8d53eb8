"""aodh's last gabbi suites, functional and live, and the scenario over gnocchi and aodh that
packagers run, read where their packages put them, over real HTTP.

aodh's take it for granted that the API is at a host's root, so it is behind a front that shows it
there. The packagers' other scenario, `autoscaling`, needs Nova and Heat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.aodhclient import administrator_token
from tests.compat.front import front
from tests.compat.gabbi_files import run_gabbi
from tests.compat.outcomes import Outcome
from tests.compat.server import Server
from tests.support.ports import free_port

PREFIX = "metric"
SCENARIO = "tempest/aodh-gnocchi-threshold-alarm"
PORT = free_port()
SETTINGS = {
    "TELEMETRY_NOAUTH": "1",
    "TELEMETRY_CORS_ORIGINS": "http://valid.example.com",
    "TELEMETRY_ALARMING_API_URL": f"http://127.0.0.1:{PORT}",
}


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, as it ends."""
    with front(PORT, f"{server.root}/alarming") as url:
        if not files or set(files) - {SCENARIO}:
            theirs = [file for file in files if file != SCENARIO]
            yield from run_gabbi("aodh", url, server, environment, theirs)
        if not files or SCENARIO in files:
            yield from run_gabbi(
                "telemetry_tempest_plugin", url, server, environment, [SCENARIO],
                variables={
                    "ADMIN_TOKEN": administrator_token(), "AODH_SERVICE_URL": url,
                    "GNOCCHI_SERVICE_URL": server.url,
                },
            )  # fmt: skip
