"""ceilometer: its publisher's work read back from us, and its conversion beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.conversion import outcomes
from tests.compat.outcomes import Outcome
from tests.compat.pytest_process import run_files
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS = {"TELEMETRY_BASIC_AUTH": "1"}
FOUND = {"publisher": Path(__file__).with_name("publisher.py")}
CONVERSION = "conversion"


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test of `publisher`, and of each message of `conversion`."""
    ours = [name for name in files if name != CONVERSION]
    if ours or not files:
        yield from run_files(environment, FOUND, ours, {"METRIC_API_URL": server.url})
    if CONVERSION in files or not files:
        yield from outcomes(environment)
