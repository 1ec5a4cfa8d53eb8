"""The cloud's services as processes: their databases made, started, waited for, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from tests.compat.cloud.configs import OBJECT_SERVERS, Place

ENVIRONMENT = Path(sys.prefix) / "compat-cloud"
PYTHON = ENVIRONMENT / "bin" / "python"
HERE = Path(__file__).parent
READY_WITHIN_S = 120.0
MADE_WITHIN_S = 180.0


class Services:
    """Glance, Cinder and Swift; what they say is in `<home>/logs`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._logs = place.home / "logs"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def make(self) -> None:
        """Databases and rings, which need none of the others; at once, since each waits a lot."""
        self.place.write()
        self._logs.mkdir()
        home = self.place.home
        glance = ["--config-file", str(home / "glance" / "glance-api.conf")]
        ports = [str(port) for port in self.place.object_ports]
        commands = {
            "glance-manage": ["bin/glance-manage", *glance, "db_sync"],
            "cinder-manage": [
                "bin/cinder-manage", "--config-file", str(home / "cinder.conf"), "db", "sync"
            ],
            "rings": ["bin/python", str(HERE / "rings.py"), str(home), *ports],
        }  # fmt: skip
        with ThreadPoolExecutor() as threads:
            list(threads.map(self._run, commands, commands.values()))

    def start(self) -> None:
        """Returns when all answer."""
        place, served = self.place, ["bin/python", str(HERE / "served.py")]
        cinder = ["--config-file", str(place.home / "cinder.conf")]
        self._start("glance-api", [*served, "glance.wsgi.api", str(place.image_port)])
        self._start("cinder-api", [*served, "cinder.wsgi.api", str(place.volume_port), *cinder])
        for name in ("cinder-scheduler", "cinder-volume"):
            self._start(name, [f"bin/{name}", *cinder])
        for name in (*OBJECT_SERVERS, "proxy"):
            config = str(place.home / f"{name}.conf")
            self._start(f"swift-{name}", [f"bin/swift-{name}-server", config, "verbose"])
        # It carries what containers hold to their account.
        updater = ["bin/python", str(HERE / "updater.py"), str(place.home)]
        config = str(place.home / "container.conf")
        self._start("swift-container-updater", [*updater, config, "verbose"])
        self._wait("glance-api", f"http://127.0.0.1:{place.image_port}/healthcheck")
        self._wait("cinder-api", f"http://127.0.0.1:{place.volume_port}/healthcheck")
        self._wait("swift-proxy", f"http://127.0.0.1:{place.object_port}/info")

    def stop(self) -> None:
        for process in self._processes.values():
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def died(self) -> list[str]:
        """Services that have ended by themselves."""
        return [name for name, process in self._processes.items() if process.poll() is not None]

    def said(self, name: str) -> str:
        """The end of what a service wrote."""
        return (self._logs / f"{name}.log").read_text(errors="replace")[-3000:]

    def _run(self, name: str, command: list[str]) -> None:
        process = self._spawn(name, command)
        try:
            if process.wait(MADE_WITHIN_S):
                raise RuntimeError(f"{name} failed:\n{self.said(name)}")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _start(self, name: str, command: list[str]) -> None:
        self._processes[name] = self._spawn(name, command)

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        program, *arguments = command
        argv = [str(ENVIRONMENT / "bin" / "python"), "-W", "ignore"]
        if program != "bin/python":
            argv.append(str(ENVIRONMENT / program))
        with (self._logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*argv, *arguments], env=self._environment(), cwd=self.place.home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{ENVIRONMENT}/bin:{os.environ.get('PATH', '')}",
            "HOME": str(self.place.home),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(HERE),  # of Cinder's driver
            "OS_GLANCE_CONFIG_DIR": str(self.place.home / "glance"),
        }

    def _wait(self, name: str, url: str) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not _answers(url):
            if self.died() or time.monotonic() > deadline:
                guilty = (self.died() or [name])[0]
                raise RuntimeError(f"{guilty} does not start:\n{self.said(guilty)}")
            time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).status_code == 200
    except requests.ConnectionError:
        return False


@contextmanager
def running(services: Services) -> Iterator[Services]:
    """What was made is served; at the end everything is gone."""
    try:
        services.start()
        yield services
    finally:
        services.stop()
