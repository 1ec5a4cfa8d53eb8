"""OpenTelemetry's own SDK and exporter send to us, and what came of it is read back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.aodhclient import administrator_token
from tests.compat.outcomes import Outcome
from tests.compat.pytest_process import run_files
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS: dict[str, str] = {}
EXPORTER = Path(__file__).with_name("otlp_exporter.py")


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test."""
    server.empty()
    client = {"COMPAT_ROOT": server.root, "COMPAT_TOKEN": administrator_token()}
    yield from run_files(environment, {"exporter": EXPORTER}, files, client)
