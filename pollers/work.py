"""What an agent has to poll, how often: polling.yaml applied to the pollsters that there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from pollers.central.snmp.definition import SnmpMeter
from pollers.central.snmp.loading import load_snmp_meters
from pollers.chosen import selection
from pollers.compute.meters import COMPUTE_METERS
from pollers.polling_file import PollingSource, load_polling, unmatched
from pollers.polls import Source
from pollers.pollsters.cloud import Cloud, current_cloud
from pollers.pollsters.definition import Pollster, Request
from pollers.pollsters.discoveries import OF_THE_HOST
from pollers.pollsters.loading import load_pollsters
from pollers.pollsters.signing import RadosgwLogin
from pollers.pollsters.source import PollsterSource
from pollers.urls import without_secrets
from telemetry_site.selection import Selection
from telemetry_site.yamlfile import Fault

log = structlog.get_logger(__name__)

#: Of a cloud where no polling file says otherwise, in seconds.
CLOUD_INTERVAL_S = 300.0
#: The share of its interval that a poll may take, and the longest that it ever may.
DEADLINE_SHARE = 0.6
LONGEST_DEADLINE_S = 100.0
_LONGEST_LABEL = 180


@dataclass(frozen=True)
class Work:
    """One source, its interval, and for its report why these meters (`pollers.chosen`)."""

    name: str
    source: Source
    interval_s: float
    chosen: dict[str, Any] = field(default_factory=dict)


def deadline(interval_s: float) -> float:
    return max(min(interval_s * DEADLINE_SHARE, LONGEST_DEADLINE_S), 1.0)


@dataclass
class _Family:
    """Pollsters with one request, of sources of one interval."""

    source: PollingSource
    pollsters: list[Pollster] = field(default_factory=list)


def pollster_work(
    namespaces: Collection[str], sources: Sequence[PollingSource], pollsters: Iterable[Pollster],
    cloud: Cloud | None, unknown: Sequence[str] = (),
) -> list[Work]:  # fmt: skip
    """Dynamic pollsters of these namespaces that a source selects; those of one request together.

    What two sources of one interval select alike is polled once. `unknown`: sentences about names
    in the sources that no pollster has.
    """
    families: dict[tuple[object, ...], _Family] = {}
    known = [one for one in pollsters if one.namespaces.intersection(namespaces)]
    sources = [source for source in sources if source.is_for_agents]
    for source in sources:
        for pollster in known:
            if not source.meters.accepts(pollster.name):
                continue
            lacks = (needs_cloud(pollster.request) and not cloud) or lacks_login(pollster.request)
            if lacks and not source.names(pollster.name):
                continue  # a wildcard does not ask for a cloud or a login that nobody named
            key = (source.interval_s, source.plain_resources, source.discovery, pollster.request)
            family = families.setdefault(key, _Family(source))
            if pollster not in family.pollsters:
                family.pollsters.append(pollster)
    names = [one.name for one in known]
    chosen = selection(names, sources, unknown)
    return [
        _work(family, name, cloud, chosen) for name, family in _named(families.values()).items()
    ]


def needs_cloud(request: Request) -> bool:
    finds = request.discovery and request.discovery not in OF_THE_HOST
    return bool(request.endpoint_type or request.barbican_secret_id or finds)


def lacks_login(request: Request) -> bool:
    """Whether it is signed by keys that the settings don't have."""
    needs_keys = request.authentication_object == RadosgwLogin.__name__
    return needs_keys and not settings.TELEMETRY_RADOSGW_ACCESS_KEY


def _work(family: _Family, name: str, cloud: Cloud | None, chosen: dict[str, Any]) -> Work:
    """`chosen` is what the file says of all pollsters; this source measures its own."""
    interval = family.source.interval_s
    own = {"meters": [one.name for one in family.pollsters]}
    source = PollsterSource(
        name, family.pollsters, cloud, deadline(interval),
        family.source.plain_resources, family.source.discovery,
    )  # fmt: skip
    return Work(name, source, interval, {"selection": chosen["selection"] | own})


def _named(families: Iterable[_Family]) -> dict[str, _Family]:
    """Each with a name of its own, which is the same on every agent."""
    named: dict[str, _Family] = {}
    for family in families:
        name = f"{family.source.name}: {_label(family.pollsters[0])}"
        if name in named:
            name = f"{name} ({family.pollsters[0].name})"
        while name in named:
            name += "'"
        named[name] = family
    return named


def _label(pollster: Pollster) -> str:
    request = pollster.request
    if request.command or request.path.expression is not None:
        what = pollster.name
    elif request.endpoint_type:
        what = request.path.written.partition("?")[0]
    else:
        what = without_secrets(request.path.written)
    return f"{request.endpoint_type} {what}".strip()[:_LONGEST_LABEL]


# --- of this process's settings ---------------------------------------------------------------
@cache
def polling_sources() -> list[PollingSource]:
    """Those of the polling file. Raises `PollingFileError`, with which no agent starts."""
    path = settings.TELEMETRY_POLLING_FILE
    if not path:
        return []
    sources = load_polling(Path(path))
    for fault in names_of_nothing(sources):
        log.warning("meters of the polling file that nothing polls", fault=str(fault))
    for source in sources:
        if source.interval_s < settings.TELEMETRY_POLL_INTERVAL:
            log.warning(
                "a source is polled less often than it says: TELEMETRY_POLL_INTERVAL is longer",
                source=source.name, interval_s=source.interval_s,
                ticks_every_s=settings.TELEMETRY_POLL_INTERVAL,
            )  # fmt: skip
    return sources


@cache
def unknown_names() -> list[str]:
    """Sentences about names in the polling file that no pollster has."""
    return [str(fault) for fault in names_of_nothing(polling_sources())]


def names_of_nothing(sources: Iterable[PollingSource]) -> list[Fault]:
    """Faults of the names in sources that nothing there has."""
    return unmatched(sources, known_meters(), snmp_meters())


@cache
def pollsters() -> dict[str, Pollster]:
    """Those of the settings' files and ours; a bad one is logged and left out."""
    paths = [Path(path) for path in settings.TELEMETRY_POLLSTER_DEFINITIONS]
    found, faults = load_pollsters(paths)
    for fault in faults:
        log.error("pollster left out", fault=str(fault))
    return found


def known_meters() -> list[str]:
    """Of pollsters, hosts and hypervisors."""
    return [*COMPUTE_METERS, *pollsters()]


@cache
def snmp_meters() -> dict[str, SnmpMeter]:
    """Those of the settings' files and ours; a bad one is logged and left out."""
    found, faults = load_snmp_meters(map(Path, settings.TELEMETRY_SNMP_DEFINITIONS))
    for fault in faults:
        log.error("SNMP meter left out", fault=str(fault))
    return found


def cloud_sources() -> list[PollingSource]:
    """The file's sources, or without a file everything every five minutes."""
    if settings.TELEMETRY_POLLING_FILE:
        return polling_sources()
    return [PollingSource("openstack", CLOUD_INTERVAL_S, Selection(["*"]))]


def dynamic_work(namespaces: Collection[str]) -> list[Work]:
    return pollster_work(
        namespaces, cloud_sources(), pollsters().values(), current_cloud(), unknown_names()
    )  # fmt: skip


def compute_work() -> list[Work]:
    """What the compute agent polls beside its host and hypervisor."""
    return dynamic_work(settings.TELEMETRY_COMPUTE_NAMESPACES)
