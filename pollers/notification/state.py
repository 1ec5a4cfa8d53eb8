"""What is known of one bus, shared by its thread (writes) and the reporter (reads)."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from meters import wire
from telemetry_site.clock import from_us, now_us

#: Those heard from last.
MOST_EXCHANGES = 50


class BusState:
    """Each method that takes news returns whether it changes what an operator should know."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._error = "not connected yet"
        self._full = ""
        self._differs: list[str] = []
        self._taken = 0
        self._waiting: dict[str, int] = {}
        self._shared: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        self._alive = time.monotonic()

    def alive(self) -> None:
        self._alive = time.monotonic()

    def silent_s(self) -> float:
        """Seconds since the thread last did anything."""
        return time.monotonic() - self._alive

    def connected(self, differs: list[str]) -> bool:
        with self._lock:
            changed = bool(self._error) or differs != self._differs
            self._error, self._full, self._differs = "", "", differs
        return changed

    def lost(self, error: str) -> bool:
        """True at the change of state, not at each further failure."""
        with self._lock:
            changed = not self._error or self._error == "not connected yet"
            self._error = error
        return changed

    def full(self, why: str) -> bool:
        with self._lock:
            changed, self._full = not self._full, why
        return changed

    def has_room(self) -> bool:
        with self._lock:
            changed, self._full = bool(self._full), ""
        return changed

    def took(self, messages: Sequence[wire.RawMessage]) -> None:
        heard = dict.fromkeys({message.exchange for message in messages}, now_us())
        with self._lock:
            self._taken += len(messages)
            self._heard |= heard
            for oldest in sorted(self._heard, key=self._heard.__getitem__)[:-MOST_EXCHANGES]:
                del self._heard[oldest]

    def measured(self, waiting: dict[str, int], consumers: dict[str, int]) -> bool:
        """`consumers` are those of each queue, ours among them."""
        shared = {queue: number for queue, number in consumers.items() if number > 1}
        with self._lock:
            changed, self._shared = shared != self._shared, shared
            self._waiting = waiting
        return changed

    @property
    def spool_full(self) -> bool:
        return bool(self._full)

    def report(self, slot: int, started: int, interval_s: float) -> wire.PollReport:
        """The bus's row on the sources page; begins to count anew."""
        with self._lock:
            taken, self._taken = self._taken, 0
            errors = [f"not connected: {self._error}"] if self._error else []
            if self._full:
                errors.append(f"the spool is full, nothing is taken: {self._full}")
            details: dict[str, Any] = {
                "differs": self._differs[:20],
                "waiting": dict(self._waiting),
                "heard": {
                    exchange or "(default)": f"{from_us(last):%Y-%m-%d %H:%M:%S} UTC"
                    for exchange, last in sorted(self._heard.items())
                },
            }
            if self._shared:
                details["shared"] = {
                    queue: f"{number} consumers" for queue, number in self._shared.items()
                }
            away = bool(self._error)
        return wire.PollReport(
            kind="notification",
            source=self.name,
            slot=slot,
            started=started,
            duration_s=0.0,
            samples=taken,
            interval_s=interval_s,
            outcome="error" if away else "partial" if errors else "ok",
            errors=[error[:1000] for error in errors],
            details=details,
        )
