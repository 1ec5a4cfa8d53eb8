"""The compute agent's task: at a tick, poll host and hypervisor for the current slot."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import structlog
from celery.signals import task_revoked
from django.conf import settings

from pollers import poll_metrics
from pollers.agent import current_agent
from pollers.batch import BatchBuilder
from pollers.compute.sources import ComputeSources
from pollers.polls import run_poll
from pollers.schedule import Fallback, Schedule
from pollers.slots import host_offset
from telemetry_site import paths
from telemetry_site.celery import ComputeTask, app
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

_polling = threading.Lock()


@app.task(base=ComputeTask, name="pollers.compute.tasks.poll_compute")
def poll_compute() -> None:
    """The beat's tick, a hint: the schedule says whether there is a slot to poll."""
    slot = schedule().take_tick(now_us() / 1e6)
    if slot is not None:
        poll_slot(slot)


def poll_slot(slot: float) -> None:
    """Poll each source for `slot` (seconds since the epoch) and hand its batch to the agent.

    Each source has a batch of its own, so that the host's numbers do not wait for a hypervisor
    that is silent until its deadline. A slot that comes while the last one is still polled is
    given up and counted.
    """
    if not _polling.acquire(blocking=False):
        poll_metrics.POLL_MISSED.labels("still_polling").inc()
        log.warning("slot given up: the last poll still runs", slot=slot)
        return
    try:
        agent = current_agent()
        for source in sources().all():
            builder = BatchBuilder(agent.agent_id)
            run_poll(source, builder, round(slot * 1e6), settings.TELEMETRY_POLL_INTERVAL)
            agent.submit(builder.batches())
    finally:
        _polling.release()


def start_fallback() -> Fallback:
    """Start the thread that polls when no tick comes (rule A2). Call once, at worker start."""
    return Fallback(schedule(), poll_slot).start()


@cache
def sources() -> ComputeSources:
    return ComputeSources()


@cache
def schedule() -> Schedule:
    interval = settings.TELEMETRY_POLL_INTERVAL
    return Schedule(
        paths.home() / "schedule" / f"compute.{settings.TELEMETRY_HOST}.json",
        interval,
        host_offset(settings.TELEMETRY_HOST, interval),
        started=now_us() / 1e6,
    )


@task_revoked.connect
def count_old_ticks(sender: Any = None, expired: bool = False, **_: Any) -> None:
    """Celery drops a tick older than its interval (`expires`); the drop is counted here."""
    if expired and getattr(sender, "name", "") == poll_compute.name:
        poll_metrics.POLL_MISSED.labels("tick_too_old").inc()
