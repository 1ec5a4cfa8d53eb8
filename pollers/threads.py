"""A process of threads that each do one piece of work without end: watched, and ended in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import ClassVar, Protocol

import structlog

from pollers.agent import Agent
from pollers.batch import BatchBuilder
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

TICK_S = 0.5


class Work(Protocol):
    @property
    def name(self) -> str: ...

    def run(self) -> None:
        """Until `stop`."""

    def stop(self) -> None: ...

    def silent_s(self) -> float:
        """How long it has done nothing, not even waited."""


class ThreadedProcess:
    """A thread a piece of work, a report an interval, an orderly end."""

    #: In the log.
    kind: ClassVar[str]
    #: X7: a thread that did nothing for so long is stuck; the supervisor starts the process anew.
    stuck_after_s: ClassVar[float]
    stop_within_s: ClassVar[float]

    def __init__(self, works: Sequence[Work], agent: Agent, interval_s: int) -> None:
        self._works = works
        self._agent = agent
        self._interval_us = interval_s * 1_000_000
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=work.run, name=work.name, daemon=True) for work in works
        ]

    def stop(self) -> None:
        """Safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> int:
        """Until `stop()`; returns the exit code (1 = a thread ended or is stuck)."""
        self._agent.start()
        for thread in self._threads:
            thread.start()
        slot = now_us() // self._interval_us
        healthy = True
        while healthy and not self._stop.wait(TICK_S):
            healthy = self._healthy()
            self.tick()
            if now_us() // self._interval_us != slot:
                slot = now_us() // self._interval_us
                self._report(slot * self._interval_us)
        self._end()
        return 0 if healthy else 1

    def tick(self) -> None:
        """What else is to be done every now and then."""

    def report(self, builder: BatchBuilder, slot_us: int, interval_s: float) -> None:
        """Add how each piece of work does; nothing where that is not to be told now."""
        raise NotImplementedError

    def _healthy(self) -> bool:
        for work, thread in zip(self._works, self._threads, strict=True):
            if not thread.is_alive():
                log.error("a thread has ended", kind=self.kind, name=work.name)
                return False
            if work.silent_s() > self.stuck_after_s:
                log.error("a thread is stuck", kind=self.kind, name=work.name)
                return False
        return True

    def _report(self, slot_us: int) -> None:
        builder = BatchBuilder(self._agent.agent_id)
        self.report(builder, slot_us, self._interval_us / 1e6)
        self._agent.submit(builder.batches())

    def _end(self) -> None:
        """Rule A9: stop taking, spool what was taken, leave in time."""
        deadline = time.monotonic() + self.stop_within_s
        for work in self._works:
            work.stop()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._agent.stop()
        log.info("ended", kind=self.kind)
