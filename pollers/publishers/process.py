"""The publisher's process: a thread a target."""

from __future__ import annotations

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
from pollers.threads import ThreadedProcess
from telemetry_site import publishing
from telemetry_site.celery import app
from telemetry_site.clock import now_us
from telemetry_site.queues import answering, broker_errors

log = structlog.get_logger(__name__)

COUNT_EVERY_S = 5.0
KIND = "publisher"


class PublisherProcess(ThreadedProcess):
    kind = KIND
    #: Longer than any delivery may take.
    stuck_after_s = 180.0
    stop_within_s = 15.0

    def __init__(self, targets: Sequence[Target], agent: Agent, interval_s: int) -> None:
        refuse = Refusals(agent).put
        self._targets = {target.name: target for target in targets}
        self._feeds = [
            Feed(target.name, target.sink(), backlog_of(target.name, target.gets_all), refuse)
            for target in targets
        ]
        self._count_at = 0.0
        super().__init__(self._feeds, agent, interval_s)

    def tick(self) -> None:
        if time.monotonic() >= self._count_at:
            self._count_dropped()
            self._count_at = time.monotonic() + COUNT_EVERY_S

    def report(self, builder: BatchBuilder, slot_us: int, interval_s: float) -> None:
        for feed in self._feeds:
            builder.report(report_of(feed, self._targets[feed.name], slot_us, interval_s))

    def _count_dropped(self) -> None:
        """What had to make room, here or while no publisher ran."""
        try:
            with answering(app) as connection:
                found = publishing.take_dropped(connection, list(self._targets))
        except broker_errors() as error:
            log.debug("nothing counted: the broker is away", error=str(error))
            return
        for feed in self._feeds:
            feed.state.dropped += found[feed.name]
        for name, batches in found.items():
            if batches:
                metrics.DROPPED.labels(name).inc(batches)
                log.warning("backlog full, oldest dropped", publisher=name, batches=batches)


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
