"""The processes of a cluster: start, SIGSTOP, SIGKILL, start again; each with a log of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from telemetry_site.paths import ROOT
from telemetry_site.processes import spawn

_TRACEBACK = re.compile(r"Traceback \(most recent call last\)|╭─+ Traceback")
Found = TypeVar("Found")


class ClusterError(Exception):
    """A part did not do in time what it had to; the text holds the end of its log."""


def wait_for(done: Callable[[], Found], within_s: float, why: Callable[[], str]) -> Found:
    """Until `done` gives something true; returns that. Raises `ClusterError` with `why`."""
    deadline = time.monotonic() + within_s
    while not (found := done()):
        if time.monotonic() > deadline:
            raise ClusterError(f"After {within_s:.0f} s {why()}")
        time.sleep(0.05)
    return found


@dataclass
class _Program:
    argv: list[str]
    env: dict[str, str]


class Processes:
    """By key, as `collector.1`. A process is a session, hence a process group, of its own."""

    def __init__(self, logs: Path, environment: Callable[[dict[str, str]], dict[str, str]]) -> None:
        self.logs = logs
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = environment
        self._programs: dict[str, _Program] = {}

    def start(self, key: str, argv: list[str], env: dict[str, str]) -> None:
        """`argv` are the arguments of Python."""
        self._programs[key] = _Program(argv, env)
        with self.log_file(key).open("ab") as log:
            self.running[key] = spawn(
                [sys.executable, *argv], env=self._environment(env), output=log, cwd=ROOT
            )

    def start_again(self, key: str, **env: str) -> None:
        program = self._programs[key]
        self.start(key, program.argv, program.env | env)

    def pid(self, key: str) -> int:
        return self.running[key].pid

    def alive(self, key: str) -> bool:
        return self.running[key].poll() is None

    def kill(self, key: str) -> None:
        """SIGKILL to the process and all its children, at one stroke."""
        os.killpg(self.pid(key), signal.SIGKILL)
        self.running[key].wait(10)

    def freeze(self, key: str) -> None:
        os.killpg(self.pid(key), signal.SIGSTOP)

    def thaw(self, key: str) -> None:
        os.killpg(self.pid(key), signal.SIGCONT)

    def signal(self, key: str, number: int) -> None:
        os.kill(self.pid(key), number)

    def wait_death(self, key: str, within_s: float = 30.0) -> int:
        """Until the process has ended, however; returns its code."""
        try:
            return self.running[key].wait(within_s)
        except subprocess.TimeoutExpired:
            raise ClusterError(f"{key} does not end:\n{self.log_end(key)}") from None

    def wait_end(self, key: str, within_s: float) -> None:
        """Until the process has ended well by itself."""
        code = self.wait_death(key, within_s)
        if code:
            raise ClusterError(f"{key} ended with {code}:\n{self.log_end(key)}")

    def kill_all(self) -> None:
        for key in self.running:
            if self.alive(key):
                self.kill(key)

    # --- logs --------------------------------------------------------------------------------

    def log_file(self, key: str) -> Path:
        return self.logs / f"{key}.log"

    def log_lines(self, key: str) -> list[str]:
        return self.log_file(key).read_text(errors="replace").splitlines()

    def log_end(self, key: str) -> str:
        return self.log_file(key).read_text(errors="replace")[-3000:]

    def tracebacks(self) -> list[str]:
        """Where a log holds a traceback: there must be none, whatever was broken.

        But for Celery's own, when a process of its pool was killed.
        """
        found = []
        for path in sorted(self.logs.iterdir()):
            text = path.read_text(errors="replace")
            found += [
                f"{path.name}: …{text[max(0, match.start() - 300) : match.start() + 1500]}"
                for match in _TRACEBACK.finditer(text)
                if "mark_as_worker_lost" not in text[match.start() : match.start() + 500]
            ]
        return found
