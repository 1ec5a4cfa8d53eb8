"""The compute agent's task: at a tick, poll what is due."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from celery.signals import task_revoked

from pollers import poll_metrics
from pollers.agent import current_agent
from pollers.batch import BatchBuilder
from pollers.compute.plan import Planned, current_plan, timetable
from pollers.polls import run_poll
from pollers.schedule import Fallback
from pollers.timetable import DueSlots
from pollers.work import Work
from telemetry_site.celery import ComputeTask, app
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

_polling = threading.Lock()


class _Beside:
    """Polls in threads of their own, each source one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def start(self, work: Work, slot: float) -> None:
        with self._lock:
            is_free = work.name not in self._running
            self._running.add(work.name)
        if is_free:
            threading.Thread(target=self._poll, args=(work, slot), daemon=True).start()
        else:
            poll_metrics.POLL_MISSED.labels("still_polling").inc()

    def _poll(self, work: Work, slot: float) -> None:
        try:
            poll_one(Planned(work.source, None, work.interval_s, work.chosen), slot)
        finally:
            with self._lock:
                self._running.discard(work.name)


_beside = _Beside()


@app.task(base=ComputeTask, name="pollers.compute.tasks.poll_compute")
def poll_compute() -> None:
    """The beat's tick, a hint: the timetable says which intervals have a slot to poll."""
    due = timetable().take_tick(now_us() / 1e6)
    if due is not None:
        poll_slots(due)
        timetable().heard(now_us() / 1e6)


def poll_slots(due: DueSlots) -> None:
    """Poll what is due and hand its batches to the agent.

    Each source has a batch of its own, so that the host's numbers do not wait for a hypervisor
    that is silent until its deadline, nor for a pollster that asks something slow. A slot that
    comes while the last one is still polled is given up and counted.
    """
    for work in current_plan().due_work(due):
        _beside.start(work, due[work.interval_s])
    slot = max(due.values())
    if not _polling.acquire(blocking=False):
        poll_metrics.POLL_MISSED.labels("still_polling").inc()
        log.warning("slot given up: the last poll still runs", slot=slot)
        return
    try:
        for planned in current_plan().due(due):
            poll_one(planned, slot)
    finally:
        _polling.release()


def poll_one(planned: Planned, slot: float) -> None:
    agent = current_agent()
    builder = BatchBuilder(agent.agent_id, planned.accepts)
    run_poll(
        planned.source, builder, round(slot * 1e6), planned.interval_s, planned.chosen
    )  # fmt: skip
    agent.submit(builder.batches())


def start_fallback() -> Fallback[DueSlots]:
    """Start the thread that polls when no tick comes (rule A2). Call once, at worker start."""
    return Fallback(timetable(), poll_slots, _polling.locked).start()


@task_revoked.connect
def count_old_ticks(sender: Any = None, expired: bool = False, **_: Any) -> None:
    """Celery drops a tick older than its interval (`expires`); the drop is counted here."""
    if expired and getattr(sender, "name", "") == poll_compute.name:
        poll_metrics.POLL_MISSED.labels("tick_too_old").inc()
