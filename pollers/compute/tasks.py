"""The compute agent's task: at a tick, poll what is due."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from celery.signals import task_revoked

from pollers import poll_metrics
from pollers.agent import current_agent
from pollers.batch import BatchBuilder
from pollers.compute.plan import current_plan, timetable
from pollers.polls import run_poll
from pollers.schedule import Fallback
from pollers.timetable import DueSlots
from telemetry_site.celery import ComputeTask, app
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

_polling = threading.Lock()


@app.task(base=ComputeTask, name="pollers.compute.tasks.poll_compute")
def poll_compute() -> None:
    """The beat's tick, a hint: the timetable says which intervals have a slot to poll."""
    due = timetable().take_tick(now_us() / 1e6)
    if due is not None:
        poll_slots(due)


def poll_slots(due: DueSlots) -> None:
    """Poll what is due and hand its batches to the agent.

    Each source has a batch of its own, so that the host's numbers do not wait for a hypervisor
    that is silent until its deadline. A slot that comes while the last one is still polled is
    given up and counted.
    """
    slot = max(due.values())
    if not _polling.acquire(blocking=False):
        poll_metrics.POLL_MISSED.labels("still_polling").inc()
        log.warning("slot given up: the last poll still runs", slot=slot)
        return
    try:
        agent = current_agent()
        for planned in current_plan().due(due):
            builder = BatchBuilder(agent.agent_id, planned.accepts)
            run_poll(planned.source, builder, round(slot * 1e6), planned.interval_s)
            agent.submit(builder.batches())
    finally:
        _polling.release()


def start_fallback() -> Fallback[DueSlots]:
    """Start the thread that polls when no tick comes (rule A2). Call once, at worker start."""
    return Fallback(timetable(), poll_slots).start()


@task_revoked.connect
def count_old_ticks(sender: Any = None, expired: bool = False, **_: Any) -> None:
    """Celery drops a tick older than its interval (`expires`); the drop is counted here."""
    if expired and getattr(sender, "name", "") == poll_compute.name:
        poll_metrics.POLL_MISSED.labels("tick_too_old").inc()
