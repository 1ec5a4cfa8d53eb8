"""aodh's evaluators of gnocchi's three kinds of rules, reading from us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.outcomes import Outcome
from tests.compat.pytest_process import run_files
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS = {"TELEMETRY_BASIC_AUTH": "1"}
FOUND = {"evaluators": Path(__file__).with_name("evaluators.py")}


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test."""
    yield from run_files(environment, FOUND, files, {"METRIC_API_URL": server.url})
