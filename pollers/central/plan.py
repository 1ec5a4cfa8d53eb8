"""Everything that central agents poll: endpoints of Prometheus text, SNMP hosts, and pollsters."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import structlog
from django.conf import settings

from pollers.central.scrape import MisconfiguredSource, ScrapeSource
from pollers.central.scrape_file import load_scrape
from pollers.central.snmp.plan import host_work, urls_source
from pollers.central.snmp.source import KIND
from pollers.polls import Source
from pollers.urls import without_secrets
from pollers.work import Work, dynamic_work, polling_sources, snmp_meters, unknown_names

log = structlog.get_logger(__name__)


@cache
def central_work() -> dict[str, Work]:
    """{name without secrets: work}. Raises `PollersError` where a file is at fault."""
    found: dict[str, Work] = {}
    for work in [*scrape_work(), *snmp_work(), *dynamic_work(["central"])]:
        if work.name in found:
            log.warning("source given twice, the first is used", source=work.name)
        else:
            found[work.name] = work
    return found


def scrape_work() -> list[Work]:
    """The targets of the scrape file, which says more of them, then the URLs of the settings."""
    interval = float(settings.TELEMETRY_POLL_INTERVAL)
    file = settings.TELEMETRY_SCRAPE_FILE
    targets = load_scrape(Path(file), interval) if file else []
    from_file = [ScrapeSource(one.url, one.interval_s, one) for one in targets]
    single = [make_source(url, interval) for url in settings.TELEMETRY_SCRAPE_URLS]
    return [
        *(Work(source.name, source, source.interval_s) for source in from_file),
        *(Work(source.name, source, interval) for source in single),
    ]


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
