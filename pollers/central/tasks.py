"""The central agents' tasks: one a source and slot, so that several agents share them.

Any agent that takes the beat's tick sends a message for each source whose slot has come; whoever
takes that claims it at the broker first. So none is polled twice, and one whose agent died is sent
again at a later tick of the same slot.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from celery.signals import task_revoked
from django.conf import settings

from pollers import poll_metrics
from pollers.agent import current_agent
from pollers.batch import BatchBuilder
from pollers.central.plan import central_work, discovered, work_of
from pollers.central.scrape import MisconfiguredSource
from pollers.claims import claim, is_settled, renewing
from pollers.polls import run_poll
from pollers.schedule import Fallback, Schedule
from pollers.slots import host_offset, slot_at
from pollers.urls import file_name
from pollers.work import Work
from telemetry_site import paths
from telemetry_site.celery import app
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

#: Several agents share the queue: one that hears nothing for a while may just not have been next.
PATIENCE = 10.0
#: A message is sent again so much later, unless its slot is done by then.
RESEND_S = 10.0
#: Polls at once where no tick comes.
ALONE_AT_ONCE = 4

_running: set[str] = set()
_lock = threading.Lock()
#: What this agent sent last: {name: (slot, when)}.
_sent: dict[str, tuple[float, float]] = {}
#: The sources at the last tick.
_known: frozenset[str] = frozenset()


@app.task(name="pollers.central.tasks.poll_central", queue="central")
def poll_central() -> None:
    """The beat's tick: one task a source whose slot has come, worth nothing after its interval.

    A source is named without its secrets: its password does not travel through the broker.
    """
    now = now_us() / 1e6
    agent_schedule().take_tick(now)
    sources = central_work()
    forget_others(sources)
    for name, work in sources.items():
        slot = slot_of(work, now)
        if is_to_send(work, slot, now):
            poll_source.apply_async((name, slot), expires=work.interval_s)
            _sent[name] = slot, now


def forget_others(names: Collection[str]) -> None:
    """Targets that are discovered come and go: what is kept of those that are gone goes, too."""
    global _known
    gone, _known = _known.difference(names), frozenset(names)
    for name in gone:
        _sent.pop(name, None)
        file = _schedule_file(f"central-{file_name(name)}")
        for one in (file, file.with_suffix(".lock")):
            one.unlink(missing_ok=True)


@app.task(bind=True, name="pollers.central.tasks.poll_source", queue="central")
def poll_source(self: Any, name: str, slot: float) -> None:
    """Poll one source for a slot, unless some agent does or did so already."""
    now = now_us() / 1e6
    agent_schedule().take_tick(now)
    work = work_of(name)
    if work is None and discovered():
        # One agent finds a target, or that it is gone, a moment before the others: what sent the
        # message sends it again.
        poll_metrics.POLL_MISSED.labels("target_not_found_yet").inc()
        return
    if work is None:
        tell_unknown(name, slot)
        return
    if now - slot > work.interval_s:
        poll_metrics.POLL_MISSED.labels("tick_too_old").inc()
        return
    again = bool((self.request.delivery_info or {}).get("redelivered"))
    poll_slot(work, slot, claimed=again)


def poll_slot(work: Work, slot: float, claimed: bool = False) -> None:
    """Poll for `slot` (seconds since the epoch) and hand the batches to the agent.

    `claimed`: the message comes from an agent that died with the claim.
    """
    with _alone(work.name) as is_alone:
        schedule = source_schedule(work.name, work.interval_s)
        if not is_alone or schedule.is_done(slot):
            return
        if not claimed and not claim(work.name, slot, work.interval_s):
            return
        with renewing(work.name, slot, work.interval_s):
            agent = current_agent()
            builder = BatchBuilder(agent.agent_id)
            run_poll(work.source, builder, round(slot * 1e6), work.interval_s, work.chosen)
            agent.submit(builder.batches())
            schedule.done(slot)


def tell_unknown(name: str, slot: float) -> None:
    """Agents whose settings differ say so on the sources page; the right one is sent it again."""
    builder = BatchBuilder(current_agent().agent_id)
    missing = MisconfiguredSource(name, "not among the sources of this agent's settings")
    run_poll(missing, builder, round(slot * 1e6), settings.TELEMETRY_POLL_INTERVAL)
    current_agent().submit(builder.batches())


@contextmanager
def _alone(name: str) -> Iterator[bool]:
    """Whether no other thread of this agent polls the source."""
    with _lock:
        is_alone = name not in _running
        _running.add(name)
    try:
        yield is_alone
    finally:
        if is_alone:
            with _lock:
                _running.discard(name)


def slot_of(work: Work, now: float) -> float:
    """The current slot; sources are spread over their interval, the same way on every agent."""
    offset = host_offset(work.name, work.interval_s, spread=1.0)
    return slot_at(now, work.interval_s, offset)


def is_to_send(work: Work, slot: float, now: float) -> bool:
    """Not what is done; what was sent once, later again, for its agent may have died."""
    schedule = source_schedule(work.name, work.interval_s)
    if schedule.is_done(slot):
        return False
    sent_slot, sent_at = _sent.get(work.name, (0.0, 0.0))
    if sent_slot != slot:
        return True
    if 0 <= now - sent_at < RESEND_S:
        return False
    if is_settled(work.name, slot):
        schedule.done(slot)
        return False
    return True


def poll_all(_: float) -> None:
    """No tick comes: poll what is due, some at once, so that a slow one holds up no other."""
    now = now_us() / 1e6
    with ThreadPoolExecutor(ALONE_AT_ONCE, "poll") as threads:
        for work in central_work().values():
            threads.submit(_poll_alone, work, slot_of(work, now))


def _poll_alone(work: Work, slot: float) -> None:
    try:
        poll_slot(work, slot)
    except Exception:  # the others go on
        log.exception("poll without a tick failed", source=work.name)
        poll_metrics.POLL_MISSED.labels("error").inc()


def start_fallback() -> Fallback[float]:
    """Start the thread that polls every source when the queue is silent (rule A2).

    Call once, at worker start. Where the broker is there the agents still share by claims; where
    it is away each polls everything.
    """
    central_work()  # raises where the agent must not start
    return Fallback(agent_schedule(), poll_all).start()


@cache
def agent_schedule() -> Schedule:
    interval = settings.TELEMETRY_POLL_INTERVAL
    return _schedule("central", interval)


@cache
def source_schedule(name: str, interval_s: float) -> Schedule:
    return _schedule(f"central-{file_name(name)}", interval_s)


def _schedule(name: str, interval_s: float) -> Schedule:
    started = now_us() / 1e6
    return Schedule(_schedule_file(name), interval_s, 0.0, started, patience=PATIENCE, shared=True)


def _schedule_file(name: str) -> Path:
    return paths.home() / "schedule" / f"{name}.json"


@task_revoked.connect
def count_old_tasks(sender: Any = None, expired: bool = False, **_: Any) -> None:
    """Celery drops a task older than its interval (`expires`); the drop is counted here."""
    if expired and getattr(sender, "name", "") == poll_source.name:
        poll_metrics.POLL_MISSED.labels("tick_too_old").inc()
