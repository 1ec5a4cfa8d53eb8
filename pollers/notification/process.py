"""The consumer's process: a thread a bus, a report an interval, an orderly end."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from pollers.agent import Agent
from pollers.batch import BatchBuilder
from pollers.notification.bus import Bus
from pollers.notification.consumer import BusConsumer
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 10.0
#: X7: a thread that did nothing for so long is stuck; the supervisor starts the process anew.
STUCK_AFTER_S = 120.0
TICK_S = 0.5


class ConsumerProcess:
    def __init__(self, buses: Sequence[Bus], agent: Agent, prefetch: int, interval_s: int) -> None:
        self._agent = agent
        self._interval_us = interval_s * 1_000_000
        self._consumers = [BusConsumer(bus, agent, prefetch) for bus in buses]
        self._threads = [
            threading.Thread(target=consumer.run, name=consumer.bus.name, daemon=True)
            for consumer in self._consumers
        ]
        self._stop = threading.Event()

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
            if now_us() // self._interval_us != slot:
                slot = now_us() // self._interval_us
                self._report(slot * self._interval_us)
        self._end()
        return 0 if healthy else 1

    def _healthy(self) -> bool:
        for consumer, thread in zip(self._consumers, self._threads, strict=True):
            if not thread.is_alive():
                log.error("the consumer of a bus has ended", bus=consumer.bus.name)
                return False
            if consumer.state.silent_s() > STUCK_AFTER_S:
                log.error("the consumer of a bus is stuck", bus=consumer.bus.name)
                return False
        return True

    def _report(self, slot_us: int) -> None:
        states = [consumer.state for consumer in self._consumers]
        if any(state.spool_full for state in states):
            return  # a report is not worth an item's place
        builder = BatchBuilder(self._agent.agent_id)
        for state in states:
            builder.report(state.report(slot_us, now_us(), self._interval_us / 1e6))
        self._agent.submit(builder.batches())

    def _end(self) -> None:
        """Rule A9: stop taking, spool what was taken, leave within ten seconds."""
        deadline = time.monotonic() + STOP_WITHIN_S
        for consumer in self._consumers:
            consumer.stop()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._agent.stop()
        log.info("notification consumer ended")
