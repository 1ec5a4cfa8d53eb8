"""The server under test: a real house in a directory of its own."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import django
from django.db import connections

from telemetry_site import paths
from tests.acceptance.house import RunningHouse
from tests.support.store import empty_alarms, empty_store


class Server(Protocol):
    """What a suite needs of the server that it runs against; addresses end without a slash."""

    @property
    def url(self) -> str:
        """The root of the metric API."""

    @property
    def root(self) -> str:
        """The root of all APIs."""

    def empty(self) -> None:
        """Delete everything that tests have made."""


@dataclass(frozen=True)
class HouseServer:
    url: str
    root: str

    def empty(self) -> None:
        empty_store()
        empty_alarms()


@contextmanager
def serving(
    log: Path, prefix: str = "metric", roles: str = "web", **settings: str
) -> Iterator[Server]:
    """A server with these settings; this process' Django uses its database. `log` is its output."""
    base = Path(tempfile.mkdtemp(prefix="compat-"))
    house = RunningHouse(base / "home", TELEMETRY_METRIC_API_PREFIX=prefix, **settings)
    use_database_of(house)
    try:
        house.start("--roles", roles)
        root = f"http://127.0.0.1:{house.port}"
        yield HouseServer(f"{root}/{prefix}", root)
    finally:
        connections.close_all()
        if house.process is not None and house.process.poll() is None:
            house.stop()
        for identity in house.left(0):
            identity.signal(signal.SIGKILL)
        log.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(house.log, log)
        shutil.rmtree(base, ignore_errors=True)


def use_database_of(house: RunningHouse) -> None:
    """Sets Django up in this process: once, and before anything reads its settings."""
    for name in ("DATABASE_URL", "BROKER_URL", "TELEMETRY_ROLE"):
        os.environ.pop(name, None)
    os.environ["TELEMETRY_HOME"] = str(house.home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "telemetry_site.settings.server"
    django.setup()


def state_dir() -> Path:
    """Where results and logs of the suites are left."""
    return paths.ROOT / "var" / "compat"
