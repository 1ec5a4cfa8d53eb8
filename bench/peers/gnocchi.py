"""gnocchi as shipped: its API under uWSGI, files as storage.

Without Redis nothing works measures in but who reads with `refresh`; with it metricd does.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

CONFIGURATION = """
[DEFAULT]
coordination_url = {coordination}
[indexer]
url = {database}
[api]
auth_mode = basic
host = 127.0.0.1
port = {port}
[metricd]
workers = {workers}
[incoming]
driver = {incoming}
redis_url = {redis}
file_basepath = {folder}/measures
[storage]
driver = file
file_basepath = {folder}/measures
"""
BIN = Path(sys.executable).parent
METRIC = "cpu"
#: Minutes with a value, before and after now: gnocchi takes what lies ahead.
PAST, AHEAD = 6, 60
RESOURCES_A_POST = 500


class Gnocchi:
    """A running gnocchi; `api` is its first process."""

    def __init__(self, url: str, api: psutil.Process) -> None:
        self.url = url
        self.api = api

    def ask(self, method: str, path: str, body: Any = None) -> None:
        url, account = self.url + path, ("admin", "")
        requests.request(method, url, json=body, auth=account, timeout=60).raise_for_status()

    def fill(self, resources: Sequence[str], value: float) -> None:
        """A metric for each resource with a value a minute; asking with `refresh` works them in."""
        metrics = {METRIC: {"archive_policy_name": "medium"}}
        for one in resources:
            body = {"id": one, "project_id": "p", "user_id": "u", "metrics": metrics}
            self.ask("POST", "/v1/resource/generic", body)
        now = int(time.time()) // 60 * 60
        minutes = [now + 60 * number for number in range(-PAST, AHEAD)]
        measures = [
            {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)), "value": value}
            for at in minutes
        ]
        for first in range(0, len(resources), RESOURCES_A_POST):
            some = {one: {METRIC: measures} for one in resources[first : first + RESOURCES_A_POST]}
            self.ask("POST", "/v1/batch/resources/metrics/measures", some)
        for one in resources:
            self.ask("GET", f"/v1/resource/generic/{one}/metric/{METRIC}/measures?refresh=true")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A server of its own without an append-only file, as gnocchi's documentation has it."""
    from telemetry_site.embedded.valkey import binary

    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([binary(), *options], stdout=log, stderr=log)
    try:
        yield f"redis://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def gnocchi(
    folder: Path, database: str, programs: Path = BIN, redis: str = "", workers: int = 0
) -> Iterator[Gnocchi]:
    """Its programs are those of this interpreter's environment, or those in `programs`."""
    port = free_port()
    configuration = folder / "gnocchi.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder, port=port, workers=workers or 1, redis=redis,
            database=database.replace("postgresql:", "postgresql+psycopg2:"),
            incoming="redis" if redis else "file",
            coordination=redis or f"file://{folder}/coordination",
        )
    )  # fmt: skip
    options = ["--config-file", str(configuration)]
    subprocess.run([programs / "gnocchi-upgrade", *options], check=True, capture_output=True)
    names = ["gnocchi-api", *(["gnocchi-metricd"] if workers else [])]
    started = [_start(programs, name, options, folder / f"{name}.log") for name in names]
    try:
        running = Gnocchi(f"http://127.0.0.1:{port}", psutil.Process(started[0].pid))
        _wait(running)
        yield running
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


def _start(
    programs: Path, name: str, options: Sequence[str], output: Path
) -> subprocess.Popen[bytes]:
    """uWSGI is looked for in the PATH, its packages in VIRTUAL_ENV."""
    path = f"{programs}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "VIRTUAL_ENV": str(programs.parent)}
    with output.open("wb") as log:
        return subprocess.Popen(
            [programs / name, *options], env=environment, stdout=log, stderr=log
        )


def _wait(running: Gnocchi) -> None:
    for _ in range(300):
        try:
            running.ask("GET", "/v1/archive_policy")
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("gnocchi's API does not answer.")
