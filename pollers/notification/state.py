"""What is known of one bus, shared by its thread (writes) and the reporter (reads)."""

from __future__ import annotations

import threading
import time

from meters import wire


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

    def took(self, messages: int) -> None:
        with self._lock:
            self._taken += messages

    def measured(self, waiting: dict[str, int]) -> None:
        with self._lock:
            self._waiting = waiting

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
            details = {"differs": self._differs[:20], "waiting": dict(self._waiting)}
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
