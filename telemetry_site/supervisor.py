"""Starts the roles as child processes, restarts those that die, stops all in order.

It knows processes only, no Django; `manage.py up` prepares the rest.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

from telemetry_site.nursery import ForkedProcess
from telemetry_site.output import Output
from telemetry_site.processes import Ledger, descendants, kill_all

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
#: A child that ran so long is healthy: its next death counts as the first again.
HEALTHY_AFTER_S = 60.0
LEDGER_EVERY_S = 2.0
LOOK_EVERY_S = 0.1
_PR_SET_CHILD_SUBREAPER = 36


class StopRequested(BaseException):
    """SIGINT or SIGTERM came. Not an `Exception`: nothing but the supervisor may catch it."""


Process = subprocess.Popen[bytes] | ForkedProcess


@dataclass
class Child:
    """A program to keep running; `launch` starts it once, with a pipe for its output."""

    name: str
    launch: Callable[[int], Process]
    stop_stage: int = 0
    #: Whether it can serve, judged from outside by pid: a word about it, or None = not yet.
    is_ready: Callable[[int], str | None] = lambda _pid: ""
    process: Process | None = None
    started_at: float = 0.0
    deaths: int = 0
    start_at: float = 0.0
    ready: bool = False

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


def restart_pause_s(deaths: int) -> float:
    """1, 2, 4, … 30 seconds."""
    return min(FIRST_PAUSE_S * 2.0 ** (deaths - 1), LONGEST_PAUSE_S)


@dataclass
class Supervisor:
    output: Output
    ledger: Ledger
    children: list[Child] = field(default_factory=list)
    grace_s: float = 40.0
    _ledger_at: float = 0.0

    def start(self, child: Child) -> None:
        pipe = self.output.attach(child.name)
        try:
            child.process = child.launch(pipe)
        finally:
            os.close(pipe)
        child.started_at = time.monotonic()
        child.ready = False
        if child not in self.children:
            self.children.append(child)
        self.record()

    def look(self, now: float) -> None:
        """One turn: readiness, deaths, restarts, the ledger."""
        for child in self.children:
            if child.running:
                self._announce_if_ready(child, now)
            elif child.process is not None:
                self._note_death(child, now)
            elif now >= child.start_at:
                self.start(child)
        if now - self._ledger_at >= LEDGER_EVERY_S:
            self.record()
            self._ledger_at = now

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Look until a signal comes (`StopRequested`) or `until` says so."""
        while not until():
            self.look(time.monotonic())
            time.sleep(LOOK_EVERY_S)

    @property
    def all_ready(self) -> bool:
        return all(child.ready for child in self.children)

    def stop(self) -> None:
        """Stage by stage: SIGTERM, wait, SIGKILL; then whatever is left below us."""
        for stage in sorted({child.stop_stage for child in self.children}):
            group = [child for child in self.children if child.stop_stage == stage]
            self._stop_group([child for child in group if child.running])

    def end_descendants(self) -> None:
        """Nobody is left, ever: children of children that lost their parent have become ours."""
        kill_all(descendants(os.getpid()), grace_s=2.0)
        self._reap_strangers()
        self.ledger.write([])

    def record(self) -> None:
        self._reap_strangers()
        self.ledger.write(descendants(os.getpid()))

    def _announce_if_ready(self, child: Child, now: float) -> None:
        assert child.process is not None
        if now - child.started_at > HEALTHY_AFTER_S:
            child.deaths = 0
        if child.ready:
            return
        word = child.is_ready(child.process.pid) if child.process.pid else None
        if word is not None:
            child.ready = True
            self.output.say(f"ready after {now - child.started_at:.1f} s  {word}", child.name)

    def _note_death(self, child: Child, now: float) -> None:
        assert child.process is not None
        code = child.process.returncode or 0
        child.process = None
        child.deaths += 1
        pause_s = restart_pause_s(child.deaths)
        child.start_at = now + pause_s
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        self.output.say(f"ended ({how}); starts again in {pause_s:.0f} s", child.name)

    def _stop_group(self, group: list[Child]) -> None:
        for child in group:
            assert child.process is not None
            child.process.terminate()
        deadline = time.monotonic() + self.grace_s
        for child in group:
            assert child.process is not None
            try:
                child.process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                self.output.say(f"did not stop within {self.grace_s:.0f} s; killed", child.name)
                child.process.kill()
                child.process.wait()

    def _reap_strangers(self) -> None:
        """Collect the exit of orphans that were given to us; never of our own `Popen`s."""
        known = {child.process.pid for child in self.children if child.process}
        for process in psutil.Process().children():
            with suppress(psutil.NoSuchProcess, ChildProcessError):
                if process.pid not in known and process.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(process.pid, os.WNOHANG)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies, instead of init."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def stop_signals() -> Iterator[None]:
    """Within, the first SIGINT or SIGTERM raises `StopRequested`; further ones are ignored."""

    def handle(_number: int, _frame: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise StopRequested

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
