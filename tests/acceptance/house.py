"""A real `manage.py up` for tests: its own state directory and port, its log in a file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from telemetry_site import paths
from telemetry_site.processes import Identity, wait_gone
from tests.support.ports import free_port

UP_WITHIN_S = 60.0


class RunningHouse:
    """`start` waits for the line "Up after"; `stop` for the end."""

    def __init__(self, home: Path, **extra: str) -> None:
        self.home = home
        self.port = free_port()
        unwanted = ("DJANGO_", "TELEMETRY_", "DATABASE_URL", "BROKER_URL", "PROMETHEUS_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
        self.env |= {"TELEMETRY_HOME": str(home), "PORT": str(self.port)} | extra
        self.log = home.with_name(f"{home.name}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self.seen: set[Identity] = set()

    def start(self, *arguments: str) -> str:
        """Returns the log of this start."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(paths.ROOT / "manage.py"), "up", *arguments],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + UP_WITHIN_S
        while "Up after" not in self.text():
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.1)
        self.remember()
        return self.text()

    def text(self) -> str:
        return self.log.read_text()

    def remember(self) -> None:
        """Note every process of the house, so that a test can say that none is left."""
        assert self.process is not None
        self.seen.update(self.ledger())
        mine = Identity.of(self.process.pid)
        self.seen.update([mine] if mine else [])

    def ledger(self) -> list[Identity]:
        rows = json.loads((self.home / "run" / "processes.json").read_text())
        return [Identity(*row) for row in rows]

    def left(self, within_s: float) -> list[Identity]:
        """Processes of the house that still live after `within_s`."""
        return wait_gone(self.seen, within_s)

    def stop(self, number: int = signal.SIGTERM, within_s: float = 60.0) -> int:
        assert self.process is not None
        self.remember()
        self.process.send_signal(number)
        return self.process.wait(within_s)

    def manage(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Another command on the same house."""
        return subprocess.run(
            [sys.executable, str(paths.ROOT / "manage.py"), *arguments],
            env=self.env | env, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def status(self) -> dict[str, dict[str, Any]]:
        """Role → its line of `manage.py status`, read from the status files."""
        files = (self.home / "run" / "roles").glob("*.json")
        return {found["role"]: found for found in map(_read_json, files)}

    def get(self, path: str, base: str = "") -> tuple[int, str]:
        url = (base or f"http://127.0.0.1:{self.port}") + path
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def password(self) -> str | None:
        found = re.search(r"admin with password (\S+)", self.text())
        return found and found[1]


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content
