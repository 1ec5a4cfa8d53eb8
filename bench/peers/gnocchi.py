"""gnocchi as shipped: its API under uWSGI, files as storage. Runs in aodh's virtual environment."""

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
coordination_url = file://{folder}/coordination
[indexer]
url = {database}
[api]
auth_mode = basic
host = 127.0.0.1
port = {port}
[incoming]
driver = file
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


@contextmanager
def gnocchi(folder: Path, database: str) -> Iterator[Gnocchi]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "gnocchi.conf"
    database = database.replace("postgresql:", "postgresql+psycopg2:")
    configuration.write_text(CONFIGURATION.format(folder=folder, database=database, port=port))
    options = ["--config-file", str(configuration)]
    subprocess.run([BIN / "gnocchi-upgrade", *options], check=True, capture_output=True)
    # uWSGI is looked for in the PATH, its packages in VIRTUAL_ENV
    path = f"{BIN}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "VIRTUAL_ENV": str(BIN.parent)}
    with (folder / "gnocchi-api.log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / "gnocchi-api", *options], env=environment, stdout=log, stderr=log
        )
    try:
        running = Gnocchi(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
        _wait(running)
        yield running
    finally:
        process.terminate()
        process.wait(60)


def _wait(running: Gnocchi) -> None:
    for _ in range(300):
        try:
            running.ask("GET", "/v1/archive_policy")
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("gnocchi's API does not answer.")
