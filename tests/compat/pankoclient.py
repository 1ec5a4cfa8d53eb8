"""Ours of every command of `openstack event`, with one endpoint and a token of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.aodhclient import administrator_token
from tests.compat.cookies import store_cookies
from tests.compat.outcomes import Outcome
from tests.compat.pytest_process import run_files
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS: dict[str, str] = {}
COMMANDS = Path(__file__).with_name("event_commands.py")


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test."""
    server.empty()
    store_cookies()
    client = {
        "COMPAT_EVENT": f"{server.root}/event",
        "COMPAT_METERING": f"{server.root}/metering",
        "COMPAT_TOKEN": administrator_token(),
    }
    yield from run_files(environment, {"commands": COMMANDS}, files, client)
