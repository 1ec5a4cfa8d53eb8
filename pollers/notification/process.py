"""The consumer's process: a thread a bus."""

from __future__ import annotations

from collections.abc import Sequence

from pollers.agent import Agent
from pollers.batch import BatchBuilder
from pollers.notification.bus import Bus
from pollers.notification.consumer import BusConsumer
from pollers.threads import ThreadedProcess
from telemetry_site.clock import now_us


class ConsumerProcess(ThreadedProcess):
    kind = "notification bus"
    stuck_after_s = 120.0
    stop_within_s = 10.0

    def __init__(self, buses: Sequence[Bus], agent: Agent, prefetch: int, interval_s: int) -> None:
        consumers = [BusConsumer(bus, agent, prefetch) for bus in buses]
        self._states = [consumer.state for consumer in consumers]
        super().__init__(consumers, agent, interval_s)

    def report(self, builder: BatchBuilder, slot_us: int, interval_s: float) -> None:
        if any(state.spool_full for state in self._states):
            return  # a report is not worth an item's place
        for state in self._states:
            builder.report(state.report(slot_us, now_us(), interval_s))
