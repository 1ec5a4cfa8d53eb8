"""Whether a POST of samples is let in (W2). Reads are never shed here.

Three gates, each of one web process and kept in its memory, so they cost nothing:

* concurrency: at most 80 % of the process's threads take samples, the rest stay free for reads;
* commit time: where the recent commits are slow, more load would only make them slower;
* a token bucket a project: so many samples a second, so many at once. Several web processes
  mean several buckets: the limit of the installation is theirs together.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.conf import settings

from meters.api.errors import OverloadError

SLOW_COMMIT_S = 2.0
#: Commits older than this no longer tell how the database does.
RECENT_S = 30.0
ENOUGH_COMMITS = 8
MOST_BUCKETS = 10_000


@dataclass
class CommitTimes:
    """How long the last commits took; `now` is a monotonic clock's."""

    _recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=128))

    def note(self, now: float, duration_s: float) -> None:
        self._recent.append((now, duration_s))

    def p95_s(self, now: float) -> float:
        """0 while there are too few to judge by, so that a refusal ends by itself."""
        durations = sorted(took for at, took in list(self._recent) if now - at <= RECENT_S)
        if len(durations) < ENOUGH_COMMITS:
            return 0.0
        return durations[math.ceil(0.95 * len(durations)) - 1]


@dataclass
class Buckets:
    """`rate` samples a second and `burst` at once for each project."""

    rate: float
    burst: float
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, project: str, amount: int, now: float) -> float:
        """Take from the project's bucket; returns 0, or seconds to wait and takes nothing."""
        with self._lock:
            level, at = self._levels.get(project, (self.burst, now))
            level = min(self.burst, level + (now - at) * self.rate)
            if amount > level:
                return (amount - level) / self.rate
            if len(self._levels) >= MOST_BUCKETS:
                self._drop_full(now)
            self._levels[project] = (level - amount, now)
            return 0.0

    def _drop_full(self, now: float) -> None:
        """Full buckets are as good as none."""
        self._levels = {
            project: (level, at)
            for project, (level, at) in self._levels.items()
            if level + (now - at) * self.rate < self.burst
        }


commits = CommitTimes()
_buckets = Buckets(settings.TELEMETRY_INGEST_RATE, settings.TELEMETRY_INGEST_BURST)
_threads = threading.BoundedSemaphore(max(1, int(settings.WEB_THREADS * 0.8)))


@contextmanager
def admitted() -> Iterator[None]:
    """Hold a place among the threads that take samples. Raises `OverloadError`."""
    if commits.p95_s(time.monotonic()) > SLOW_COMMIT_S:
        raise OverloadError("The database is slow at the moment: try again later.", 503, 5)
    if not _threads.acquire(blocking=False):
        raise OverloadError("Too many posts of samples at once: try again later.", 503, 1)
    try:
        yield
    finally:
        _threads.release()


def take(project: str, samples: int) -> None:
    """Raises `OverloadError` (429) where the project posts faster than it may."""
    wait_s = _buckets.take(project, samples, time.monotonic())
    if wait_s:
        raise OverloadError(
            f"{samples} samples are more than this project may post now: at most "
            f"{_buckets.burst:g} at once and {_buckets.rate:g} a second.",
            429,
            math.ceil(wait_s),
        )


@contextmanager
def timed_commit() -> Iterator[None]:
    begun = time.monotonic()
    yield
    commits.note(time.monotonic(), time.monotonic() - begun)
