"""Each process tells how it goes: a status file for `manage.py status`, and a small listener.

    from telemetry_site.status import reporter
    reporter.start()              # once, in the main process, before it forks
    reporter.ready()
    reporter.done()               # a unit of work went well
    reporter.failed("reason")     # … or not
    reporter.stop()

`done` and `failed` work in forked children too: they write one line into a pipe that the main
process reads, so no lock can be left behind by a killed child. Before `start` they do nothing.
"""

from __future__ import annotations

import json
import os
import select
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from prometheus_client import Gauge

from telemetry_site import __version__, clock, paths, roles
from telemetry_site.logs import redact_text
from telemetry_site.processes import Identity, write_atomically

State = Literal["starting", "ready", "draining", "stopped"]
WRITE_EVERY_S = 1.0
BUILD_INFO = Gauge(
    "telemetry_build_info",
    "1 for the version that runs in this role.",
    ["version", "role"],
    multiprocess_mode="max",
)
#: A pipe takes writes up to this size whole (POSIX guarantees 512, Linux 4096).
_ATOMIC_BYTES = 4096


def directory() -> Path:
    return paths.run_dir() / "roles"


@dataclass
class Status:
    """The content of a status file. Times are ISO 8601 in UTC, or "" for never."""

    role: str
    pid: int
    started: int
    boot: str
    up_since: str
    state: State = "starting"
    waits_for: str = ""
    last_work: str = ""
    done: int = 0
    failed: int = 0
    last_error: str = ""
    last_error_at: str = ""
    health: str = ""
    queues: list[str] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return Identity(self.pid, self.started, self.boot).alive


def read_all(home: Path | None = None) -> list[Status]:
    """The status of each process that ever reported here; unreadable files are left out."""
    base = home or paths.home()
    folders = [directory() if home is None else base / "run" / "roles"]
    folders += sorted(base.glob("*/run/roles"))  # one state directory a unit, as in deploy/systemd
    found = []
    for path in (path for folder in folders for path in sorted(folder.glob("*.json"))):
        try:
            found.append(Status(**json.loads(path.read_text())))
        except (OSError, ValueError, TypeError):
            continue
    return found


class Reporter:
    """Counts work over all processes of one role and writes the status file each second."""

    def __init__(self) -> None:
        self.status: Status | None = None
        self.progress_at = time.monotonic()
        self._path = Path()
        self._pipe: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._draft = ""

    def start(self, role: str, queues: list[str] | None = None) -> None:
        """Open the pipe and write the first status. Call before any fork."""
        me = Identity.of(os.getpid())
        assert me is not None
        now = clock.now().isoformat()
        BUILD_INFO.labels(__version__, role).set(1)
        self.status = Status(role, me.pid, me.started, me.boot, now, queues=queues or [])
        directory().mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = directory() / f"{roles.instance(role)}.json"
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        self._pipe = reading, writing
        self._write()

    def run(self) -> None:
        """Start the thread that counts and writes; after the forks, where there are any."""
        self._thread = threading.Thread(target=self._loop, name="status", daemon=True)
        self._thread.start()

    def set(self, **changes: Any) -> None:
        """Change fields of the status, for example `health` or `waits_for`."""
        if self.status is not None:
            for name, value in changes.items():
                setattr(self.status, name, value)
            self._write()

    def ready(self) -> None:
        self.set(state="ready", waits_for="")

    @property
    def is_ready(self) -> bool:
        return self.status is not None and self.status.state == "ready"

    def done(self, count: int = 1) -> None:
        self._send({"done": count})

    def announce(self, state: State) -> None:
        """Change the state from a forked child (a web worker that has loaded the application)."""
        self._send({"state": state})

    def failed(self, reason: str) -> None:
        self._send({"failed": 1, "error": redact_text(reason)[:500]})

    def stop(self) -> None:
        """Say that the process ended on purpose."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2)
        self._take()
        self.set(state="stopped")

    def _send(self, message: dict[str, Any]) -> None:
        if self._pipe is None:
            return
        line = json.dumps(message).encode()[: _ATOMIC_BYTES - 1] + b"\n"
        try:
            os.write(self._pipe[1], line)
        except BlockingIOError:
            return  # the reader is behind: a count is worth less than the work itself

    def _loop(self) -> None:
        assert self._pipe is not None
        while not self._stopping.is_set():
            select.select([self._pipe[0]], [], [], WRITE_EVERY_S)
            if self._take():
                self._write()
                self._stopping.wait(WRITE_EVERY_S)

    def _take(self) -> bool:
        """Count what the pipe holds; returns whether there was anything."""
        if self._pipe is None or self.status is None:
            return False
        try:
            text = self._draft + os.read(self._pipe[0], 1 << 16).decode()
        except BlockingIOError:
            return False
        *lines, self._draft = text.split("\n")
        for line in lines:
            self._count(json.loads(line))
        return bool(lines)

    def _count(self, message: dict[str, Any]) -> None:
        assert self.status is not None
        if "state" in message:
            self.status.state, self.status.waits_for = message["state"], ""
            return
        self.progress_at = time.monotonic()
        self.status.done += message.get("done", 0)
        self.status.failed += message.get("failed", 0)
        self.status.last_work = clock.now().isoformat()
        if "error" in message:
            self.status.last_error = message["error"]
            self.status.last_error_at = self.status.last_work

    def _write(self) -> None:
        """Only the process that started writes: a forked child carries a copy of this object."""
        if self.status is not None and self.status.pid == os.getpid():
            write_atomically(self._path, json.dumps(asdict(self.status)))


reporter = Reporter()
