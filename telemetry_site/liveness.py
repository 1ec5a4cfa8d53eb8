"""Liveness is progress, not existence (rule X7): a stuck process ends itself, the supervisor
starts it anew."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog
from kombu.exceptions import OperationalError
from prometheus_client import Gauge

from telemetry_site.status import reporter

log = structlog.get_logger(__name__)

STUCK_AFTER_S = 120.0
LOOK_EVERY_S = 30.0
PROGRESS_AGE = Gauge(
    "telemetry_worker_progress_age_seconds",
    "Seconds since this role last finished a unit of work.",
    ["role"],
    multiprocess_mode="max",
)


class Work(Protocol):
    """What the watchdog asks. Both may raise `OperationalError`: the broker is away."""

    def waiting(self) -> str:
        """What waits for this process, in words, or "" when nothing does."""

    def heartbeat(self) -> None:
        """Make a little work for ourselves, so that an idle process shows progress too."""


class Watchdog:
    """Looks every 30 s; ends the process after 120 s without progress although work waits.

    The time counts from the first look that found work waiting, so work that comes after a
    long idle spell is not held against the process.
    """

    def __init__(
        self, role: str, work: Work, give_up: Callable[[], None] | None = None,
        stuck_after_s: float = STUCK_AFTER_S,
    ) -> None:  # fmt: skip
        self.role = role
        self.work = work
        self.give_up = give_up or (lambda: os._exit(1))
        self.stuck_after_s = stuck_after_s
        self._waiting_since: float | None = None

    def start(self) -> None:
        threading.Thread(target=self._loop, name="watchdog", daemon=True).start()

    def look(self, now: float) -> None:
        """One look at monotonic time `now`."""
        PROGRESS_AGE.labels(self.role).set(now - reporter.progress_at)
        try:
            waiting = self.work.waiting()
            if not waiting:
                self._waiting_since = None
                self.work.heartbeat()
                return
        except OperationalError:
            self._waiting_since = None  # the broker is away: nothing can be said, nobody to blame
            return
        if self._waiting_since is None or reporter.progress_at > self._waiting_since:
            self._waiting_since = now
        stuck_s = now - self._waiting_since
        if stuck_s >= self.stuck_after_s:
            log.error("no progress although work waits; ending", waiting=waiting, seconds=stuck_s)
            self.give_up()

    def _loop(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            self.look(time.monotonic())
