"""The hypervisor as a source: numbers of the bulk call, joined with what the XML says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import structlog

from pollers import poll_metrics
from pollers.batch import BatchBuilder
from pollers.compute.domain_xml import DomainInfo, DomainXmlError, parse_domain
from pollers.compute.hypervisor import Hypervisor, HypervisorError, NoAnswerError
from pollers.compute.mapping import (
    CpuSource,
    DomainRow,
    add_domain,
    choose_cpu_source,
    device_names,
    is_active,
    lacking,
)
from pollers.errors import SourceError
from pollers.polls import Findings

log = structlog.get_logger(__name__)

#: Metadata may change while a domain runs (a rename); then it is seen within this time.
REFRESH_S = 3600.0
#: Names of one request for XML: the request must fit into a pipe's buffer (64 KiB).
XML_AT_ONCE = 500


@dataclass(frozen=True)
class _Known:
    """What the XML of one domain said. Valid for one boot, one set of devices, one hour."""

    runtime_id: int
    devices: frozenset[str]
    read_at: float
    info: DomainInfo


class LibvirtSource:
    """Every domain of one hypervisor."""

    kind = "compute"

    def __init__(self, hypervisor: Hypervisor, host: str, default_owner: tuple[str, str]) -> None:
        self.name = hypervisor.shown_uri
        self._hypervisor = hypervisor
        self._host = host
        self._default_owner = default_owner
        self._known: dict[str, _Known] = {}
        self._cpu_sources: dict[tuple[str, int], CpuSource] = {}
        self._without_owner: set[tuple[str, int]] = set()

    def poll(self, builder: BatchBuilder) -> Findings:
        poll_metrics.HYPERVISOR_UP.set(0)
        rows, problems = self._hypervisor.read()
        poll_metrics.HYPERVISOR_UP.set(1)
        problems += self._learn(rows)
        for row in rows:
            known = self._known.get(row.uuid)
            if known is not None:
                trouble = add_domain(builder, row, known.info, self._cpu_source(row))
                # A domain set aside is named by the hypervisor already.
                problems += [] if row.uuid in self._hypervisor.aside else trouble
        self._forget_absent(rows)
        return Findings(problems, self._details(rows))

    def _details(self, rows: list[DomainRow]) -> dict[str, Any]:
        missing = lacking(rows)
        return {
            "domains": len(rows),
            "active": sum(is_active(row) for row in rows),
            "set_aside": len(self._hypervisor.aside),
            **({"lacking": missing} if missing else {}),
        }

    def _learn(self, rows: list[DomainRow]) -> list[str]:
        """Read the XML of domains that are new, booted, changed, or an hour old."""
        now = time.monotonic()
        stale = [row for row in rows if not self._is_known(row, now)]
        problems = []
        for start in range(0, len(stale), XML_AT_ONCE):
            part = stale[start : start + XML_AT_ONCE]
            try:
                texts = self._hypervisor.xml([row.uuid for row in part])
            except (NoAnswerError, HypervisorError) as error:
                problems.append(f"XML of {len(part)} domains could not be read: {error}")
                continue
            problems += self._keep(part, texts, now)
        return problems

    def _is_known(self, row: DomainRow, now: float) -> bool:
        known = self._known.get(row.uuid)
        return (
            known is not None
            and known.runtime_id == row.runtime_id
            and known.devices == device_names(row.stats)
            and now - known.read_at < REFRESH_S
        )

    def _keep(self, rows: list[DomainRow], texts: dict[str, str], now: float) -> list[str]:
        problems = []
        for row in rows:
            text = texts.get(row.uuid)
            if text is None:
                self._known.pop(row.uuid, None)
                poll_metrics.DOMAINS_GONE.inc()
                continue
            try:
                info = parse_domain(text, self._host, self._default_owner)
            except DomainXmlError as error:
                problems.append(f"{row.label}: {error}")
                continue
            self._known[row.uuid] = _Known(row.runtime_id, device_names(row.stats), now, info)
            self._note_owner(row, info)
        return problems

    def _note_owner(self, row: DomainRow, info: DomainInfo) -> None:
        if info.project_id is None and row.boot not in self._without_owner:
            self._without_owner.add(row.boot)
            poll_metrics.DOMAINS_WITHOUT_OWNER.inc()
            log.info("domain names no owner: metered without project", domain=row.label)

    def _cpu_source(self, row: DomainRow) -> CpuSource:
        source = self._cpu_sources.get(row.boot)
        if source is None:
            source = self._cpu_sources[row.boot] = choose_cpu_source(row.stats)
        return source

    def _forget_absent(self, rows: list[DomainRow]) -> None:
        """Keep memory flat: nothing is remembered of domains that are neither here nor aside."""
        boots = {row.boot for row in rows}
        aside = self._hypervisor.aside
        here = {row.uuid for row in rows}
        self._known = {
            uuid: known for uuid, known in self._known.items() if uuid in here or uuid in aside
        }
        self._cpu_sources = {
            boot: source
            for boot, source in self._cpu_sources.items()
            if boot in boots or boot[0] in aside
        }
        self._without_owner = {
            boot for boot in self._without_owner if boot in boots or boot[0] in aside
        }


class MissingLibvirtSource:
    """Stands for a hypervisor that somebody asked for on a host without libvirt-python."""

    kind = "compute"

    def __init__(self, name: str) -> None:
        self.name = name

    def poll(self, builder: BatchBuilder) -> Findings:
        raise SourceError(HOW_TO_ADD_LIBVIRT)


HOW_TO_ADD_LIBVIRT = (
    "libvirt-python is not installed: install libvirt's headers (Debian: libvirt-dev) and a "
    "compiler, then `pip install telemetry[compute]` with the version of the system's libvirt"
)
