"""Which SNMP hosts are polled for which meters, how often: a source a host and interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from pollers.central.snmp.address import AddressError, SnmpAddress, parse_address
from pollers.central.snmp.definition import SnmpMeter
from pollers.central.snmp.source import SnmpSource
from pollers.chosen import selection
from pollers.polling_file import PollingSource
from pollers.work import Work, deadline
from telemetry_site.selection import Selection

log = structlog.get_logger(__name__)


@dataclass
class _Host:
    """One host in one interval; `sources` are those that name it."""

    address: SnmpAddress
    sources: list[PollingSource] = field(default_factory=list)


def urls_source(
    urls: Iterable[str], interval_s: float
) -> tuple[PollingSource, list[tuple[str, str]]]:
    """(a source without a name of hosts that give all that they have, what is wrong with others as
    (name without secrets, why)).
    """
    right, wrong = [], []
    for place, url in enumerate(urls, start=1):
        try:
            parse_address(url)
            right.append(url)
        except AddressError as error:
            wrong.append((f"TELEMETRY_SNMP_URLS, number {place}", str(error)))
    return PollingSource("", interval_s, Selection(["*"]), tuple(right)), wrong


def host_work(
    sources: Iterable[PollingSource], meters: Iterable[SnmpMeter], unknown: Sequence[str] = ()
) -> list[Work]:
    """What two sources of one interval say of a host is polled at once, and no meter twice.

    `unknown`: sentences about names in the sources that nothing has.
    """
    hosts: dict[tuple[float, str], _Host] = {}
    for source in sources:
        for address in map(parse_address, source.snmp_urls):
            key = source.interval_s, address.shown
            host = hosts.setdefault(key, _Host(address))
            if host.address != address:
                log.warning(
                    "an SNMP host is given twice with different logins, the first is used",
                    source=source.name, host=address.shown,
                )  # fmt: skip
            if source not in host.sources:
                host.sources.append(source)
    known = list(meters)
    made = (_work(host, interval, known, unknown) for (interval, _), host in hosts.items())
    return [work for work in made if work is not None]


def _work(
    host: _Host, interval_s: float, known: list[SnmpMeter], unknown: Sequence[str]
) -> Work | None:
    first, shown = host.sources[0], host.address.shown
    wanted = [one for one in known if any(by.meters.accepts(one.name) for by in host.sources)]
    if not wanted:
        log.warning("an SNMP host of which no meter is selected", source=first.name, host=shown)
        return None
    name = f"{first.name}: {shown}" if first.name else shown
    named = {one.name for one in wanted if any(by.names(one.name) for by in host.sources)}
    source = SnmpSource(name, host.address, wanted, deadline(interval_s), named)
    # That of the settings takes everything, and is no rule of a file.
    rules = host.sources if all(by.name for by in host.sources) else []
    chosen = selection([one.name for one in known], rules, unknown if rules else ())
    return Work(name, source, interval_s, chosen)
