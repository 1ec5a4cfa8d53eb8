"""Everything that central agents poll: endpoints of Prometheus text, SNMP hosts, and pollsters."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import structlog
from django.conf import settings

from pollers.central.discovered import DiscoveredWork, target_work
from pollers.central.scrape import MisconfiguredSource, ScrapeSource
from pollers.central.scrape_file import Job, load_jobs
from pollers.central.snmp.plan import host_work, urls_source
from pollers.central.snmp.source import KIND
from pollers.polls import Source
from pollers.urls import without_secrets
from pollers.work import Work, dynamic_work, polling_sources, snmp_meters, unknown_names

log = structlog.get_logger(__name__)


def central_work() -> dict[str, Work]:
    """{name without secrets: work}, as it is now: what is discovered comes and goes.

    Raises `PollersError` where a file is at fault.
    """
    return {**discovered().work(), **fixed_work()}


def work_of(name: str) -> Work | None:
    """One of `central_work`, without putting all of it together."""
    return fixed_work().get(name) or discovered().work().get(name)


@cache
def fixed_work() -> dict[str, Work]:
    """What the settings and their files name themselves."""
    found: dict[str, Work] = {}
    for work in [*scrape_work(), *snmp_work(), *dynamic_work(["central"])]:
        if work.name in found:
            log.warning("source given twice, the first is used", source=work.name)
        else:
            found[work.name] = work
    return found


@cache
def discovered() -> DiscoveredWork:
    """What the jobs of the scrape file find elsewhere."""
    return DiscoveredWork([job for job in scrape_jobs() if job.discoveries])


@cache
def scrape_jobs() -> list[Job]:
    file = settings.TELEMETRY_SCRAPE_FILE
    return load_jobs(Path(file), float(settings.TELEMETRY_POLL_INTERVAL)) if file else []


def scrape_work() -> list[Work]:
    """The targets of the scrape file, which says more of them, then the URLs of the settings."""
    interval = float(settings.TELEMETRY_POLL_INTERVAL)
    named = [
        target_work(target)
        for job in scrape_jobs() if not job.discoveries for target in job.targets()
    ]  # fmt: skip
    single = [make_source(url, interval) for url in settings.TELEMETRY_SCRAPE_URLS]
    return [*named, *(Work(source.name, source, interval) for source in single)]


def snmp_work() -> list[Work]:
    """The hosts of the polling file, then those of the settings, which give all that they have."""
    urls, interval = settings.TELEMETRY_SNMP_URLS, float(settings.TELEMETRY_POLL_INTERVAL)
    single, faults = urls_source(urls, interval)
    wrong = [Work(name, MisconfiguredSource(name, why, KIND), interval) for name, why in faults]
    sources = [*polling_sources(), single]
    return [*host_work(sources, snmp_meters().values(), unknown_names()), *wrong]


def make_source(url: str, interval_s: float) -> Source:
    if not url.startswith(("http://", "https://")):
        return MisconfiguredSource(without_secrets(url), "not an http or https URL")
    return ScrapeSource(url, interval_s)
