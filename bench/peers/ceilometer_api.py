"""ceilometer's own API on the stage's PostgreSQL, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.peers.gnocchi import free_port


class Ceilometer(NamedTuple):
    url: str


@contextmanager
def ceilometer_api(
    folder: Path, resources: int, minutes: int, first_us: int
) -> Iterator[Ceilometer]:
    """With a sample a minute of so many resources, of `classic_load.shared_value`."""
    from telemetry_site.embedded.postgres import EmbeddedPostgres

    EmbeddedPostgres().ensure_database("ceilometer")
    database = EmbeddedPostgres().url("ceilometer").replace("postgresql:", "postgresql+psycopg2:")
    python = Path(sys.prefix) / "bench-classic_api" / "bin" / "python"
    port = free_port()
    arguments = [folder, database, port, resources, minutes, first_us]
    process = subprocess.Popen(
        [python, "-W", "ignore", "-m", "bench.peers.ceilometer_server", *map(str, arguments)],
        env=os.environ | {"PYTHONWARNINGS": "ignore"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            sys.exit("ceilometer's API did not start, see above.")
        yield Ceilometer(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(60)
