"""The central agents' tasks: one a source and interval, so that several agents share them."""

from __future__ import annotations

from functools import cache

import structlog
from django.conf import settings

from pollers.agent import current_agent
from pollers.batch import BatchBuilder
from pollers.central.scrape import MisconfiguredSource, ScrapeSource
from pollers.polls import Source, run_poll
from pollers.schedule import Fallback, Schedule
from pollers.urls import file_name, without_secrets
from telemetry_site import paths
from telemetry_site.celery import app
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

#: Several agents share the queue: one that hears nothing for a while may just not have been next.
PATIENCE = 10.0
SOFT_LIMIT_SHARE = 0.8
_INTERVAL = settings.TELEMETRY_POLL_INTERVAL


@app.task(name="pollers.central.tasks.poll_central", queue="central")
def poll_central() -> None:
    """The beat's tick: one task a source, each worth nothing after the interval.

    A source is named without its secrets: its password does not travel through the broker.
    """
    agent_schedule().take_tick(now_us() / 1e6)
    for name in sources():
        poll_source.apply_async((name,), expires=_INTERVAL)


@app.task(
    name="pollers.central.tasks.poll_source",
    queue="central",
    soft_time_limit=max(_INTERVAL * SOFT_LIMIT_SHARE, 1.0),
    time_limit=max(_INTERVAL, 2.0),
)
def poll_source(name: str) -> None:
    """Poll one source, unless this agent did so in this slot already."""
    now = now_us() / 1e6
    agent_schedule().take_tick(now)
    slot = source_schedule(name).take_tick(now)
    if slot is not None:
        poll_slot(name, slot)


def poll_slot(name: str, slot: float) -> None:
    """Poll one source for `slot` (seconds since the epoch) and hand its batches to the agent."""
    agent = current_agent()
    builder = BatchBuilder(agent.agent_id)
    run_poll(find_source(name), builder, round(slot * 1e6), _INTERVAL)
    agent.submit(builder.batches())


def poll_all(slot: float) -> None:
    for name in sources():
        poll_slot(name, slot)


def start_fallback() -> Fallback:
    """Start the thread that polls every source when the queue is silent (rule A2).

    Call once, at worker start. Two agents that poll the same source then do no harm: the store
    keeps one value for each time.
    """
    return Fallback(agent_schedule(), poll_all).start()


@cache
def sources() -> dict[str, Source]:
    """{URL without secrets: source}, of the settings."""
    found: dict[str, Source] = {}
    for url in settings.TELEMETRY_SCRAPE_URLS:
        source = make_source(url)
        if source.name in found:
            log.warning("scrape URL given twice, the first is used", url=source.name)
        else:
            found[source.name] = source
    return found


def make_source(url: str) -> Source:
    if not url.startswith(("http://", "https://")):
        return MisconfiguredSource(without_secrets(url), "not an http or https URL")
    return ScrapeSource(url, _INTERVAL)


def find_source(name: str) -> Source:
    """The source of that name; agents whose settings differ say so on the sources page."""
    missing = MisconfiguredSource(name, "not among this agent's TELEMETRY_SCRAPE_URLS")
    return sources().get(name, missing)


@cache
def agent_schedule() -> Schedule:
    return _schedule("central")


@cache
def source_schedule(name: str) -> Schedule:
    return _schedule(f"central-{file_name(name)}")


def _schedule(name: str) -> Schedule:
    path = paths.home() / "schedule" / f"{name}.json"
    return Schedule(path, _INTERVAL, 0.0, started=now_us() / 1e6, patience=PATIENCE, shared=True)
