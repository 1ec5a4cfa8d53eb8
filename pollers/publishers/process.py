"""The publisher's process: a thread a target, a report an interval, an orderly end."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from meters import wire
from pollers.agent import Agent
from pollers.batch import BatchBuilder
from pollers.publishers import metrics
from pollers.publishers.backlog import backlog_of
from pollers.publishers.feed import Feed
from pollers.publishers.refusals import Refusals
from pollers.publishers.targets import Target
from telemetry_site import publishing
from telemetry_site.celery import app
from telemetry_site.clock import now_us
from telemetry_site.queues import answering, broker_errors

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 15.0
#: X7: longer than any delivery may take.
STUCK_AFTER_S = 180.0
TICK_S = 0.5
COUNT_EVERY_S = 5.0
KIND = "publisher"


class PublisherProcess:
    def __init__(self, targets: Sequence[Target], agent: Agent, interval_s: int) -> None:
        self._agent = agent
        self._interval_us = interval_s * 1_000_000
        self._stop = threading.Event()
        refuse = Refusals(agent).put
        self._targets = {target.name: target for target in targets}
        self.feeds = [
            Feed(
                target.name, target.sink(), backlog_of(target.name, target.gets_all), refuse,
                self._stop,
            )
            for target in targets
        ]  # fmt: skip
        self._threads = [
            threading.Thread(target=feed.run, name=feed.name, daemon=True) for feed in self.feeds
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
        count_at = 0.0
        healthy = True
        while healthy and not self._stop.wait(TICK_S):
            healthy = self._healthy()
            if time.monotonic() >= count_at:
                self._count_dropped()
                count_at = time.monotonic() + COUNT_EVERY_S
            if now_us() // self._interval_us != slot:
                slot = now_us() // self._interval_us
                self._report(slot * self._interval_us)
        self._end()
        return 0 if healthy else 1

    def _healthy(self) -> bool:
        for feed, thread in zip(self.feeds, self._threads, strict=True):
            if not thread.is_alive():
                log.error("a publisher's thread has ended", publisher=feed.name)
                return False
            if time.monotonic() - feed.state.alive_at > STUCK_AFTER_S:
                log.error("a publisher is stuck", publisher=feed.name)
                return False
        return True

    def _count_dropped(self) -> None:
        """What had to make room, here or while no publisher ran."""
        try:
            with answering(app) as connection:
                found = publishing.take_dropped(connection, list(self._targets))
        except broker_errors() as error:
            log.debug("nothing counted: the broker is away", error=str(error))
            return
        for feed in self.feeds:
            feed.state.dropped += found[feed.name]
        for name, batches in found.items():
            if batches:
                metrics.DROPPED.labels(name).inc(batches)
                log.warning("backlog full, oldest dropped", publisher=name, batches=batches)

    def _report(self, slot_us: int) -> None:
        builder = BatchBuilder(self._agent.agent_id)
        for feed in self.feeds:
            builder.report(
                report_of(feed, self._targets[feed.name], slot_us, self._interval_us / 1e6)
            )
        self._agent.submit(builder.batches())

    def _end(self) -> None:
        deadline = time.monotonic() + STOP_WITHIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._agent.stop()
        log.info("publisher ended")


def report_of(feed: Feed, target: Target, slot_us: int, interval_s: float) -> wire.PollReport:
    """A row of the sources page; what it counts begins anew."""
    state = feed.state
    delivered, refused, dropped = state.delivered, state.refused, state.dropped
    state.delivered, state.refused, state.dropped = 0, 0, 0
    errors = []
    if state.trouble:
        errors.append(f"The target takes nothing: {state.trouble}. {state.waiting} batches wait.")
    if refused:
        errors.append(f"{refused} refused, in the quarantine: {state.refusal}")
    if dropped:
        errors.append(f"The backlog was full: {dropped} of the oldest batches were dropped.")
    return wire.PollReport(
        kind=KIND,
        source=feed.name,
        slot=slot_us,
        started=now_us(),
        duration_s=0.0,
        samples=delivered,
        interval_s=interval_s,
        outcome="error" if state.trouble else "partial" if errors else "ok",
        errors=errors,
        details={
            "target": target.address.shown[:1000],
            "waiting": state.waiting,
            "delivered": delivered,
            "refused": refused,
            "dropped": dropped,
        },
    )
