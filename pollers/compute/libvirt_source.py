"""The hypervisor as a source: numbers of the bulk call, joined with what the XML says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import structlog

from pollers import poll_metrics
from pollers.batch import BatchBuilder
from pollers.compute.deltas import Deltas
from pollers.compute.domain_xml import DomainInfo, DomainXmlError, parse_domain
from pollers.compute.hypervisor import Hypervisor
from pollers.compute.mapping import (
    CpuSource,
    add_domain,
    add_stopped,
    choose_cpu_source,
    lacking,
)
from pollers.compute.process import HypervisorError, NoAnswerError
from pollers.compute.rows import (
    DomainRow,
    Sighting,
    is_active,
    is_shut_off,
    runs_elsewhere,
    sighting,
)
from pollers.errors import SourceError
from pollers.polls import Findings
from pollers.user_metadata import CLASSIC_KEYS, UserKeys

log = structlog.get_logger(__name__)

#: Metadata may change while a domain runs, of which its numbers say nothing. So XML of this age is
#: read again, of some domains in each poll: the oldest first, so that no poll reads all.
REFRESH_S = 300.0
REFRESH_AT_ONCE = 50
#: Names of one request for XML: the request must fit into a pipe's buffer (64 KiB).
XML_AT_ONCE = 500


@dataclass
class _Known:
    """What the XML of one domain said, and what the last numbers showed of it."""

    sighting: Sighting
    read_at: float
    info: DomainInfo


class LibvirtSource:
    """Every domain of one hypervisor."""

    kind = "compute"

    def __init__(
        self,
        hypervisor: Hypervisor,
        host: str,
        default_owner: tuple[str, str],
        user_keys: UserKeys = CLASSIC_KEYS,
        report_stopped: bool = False,
    ) -> None:
        self.name = hypervisor.shown_uri
        self._hypervisor = hypervisor
        self._host = host
        self._default_owner = default_owner
        self._user_keys = user_keys
        self._report_stopped = report_stopped
        self._known: dict[str, _Known] = {}
        self._cpu_sources: dict[tuple[str, int], CpuSource] = {}
        self._deltas = Deltas()
        self._without_owner: set[tuple[str, int]] = set()

    def poll(self, builder: BatchBuilder) -> Findings:
        poll_metrics.HYPERVISOR_UP.set(0)
        rows, problems = self._hypervisor.read()
        poll_metrics.HYPERVISOR_UP.set(1)
        problems += self._learn(rows)
        for row in rows:
            known = self._known.get(row.uuid)
            if known is not None:
                trouble = add_domain(builder, row, known.info, self._cpu_source(row), self._deltas)
                if self._report_stopped and is_shut_off(row.stats):
                    add_stopped(builder, row, known.info)
                # A domain set aside is named by the hypervisor already.
                problems += [] if row.uuid in self._hypervisor.aside else trouble
        self._forget_absent(rows)
        return Findings(problems, self._details(rows))

    def _details(self, rows: list[DomainRow]) -> dict[str, Any]:
        missing = lacking(rows)
        return {
            "domains": len(rows),
            "active": sum(is_active(row) for row in rows),
            "migrated_away": sum(runs_elsewhere(row.stats) for row in rows),
            "set_aside": len(self._hypervisor.aside),
            **({"lacking": missing} if missing else {}),
        }

    def _learn(self, rows: list[DomainRow]) -> list[str]:
        """Read the XML of domains that are new, booted or changed, and of some read long ago."""
        now = time.monotonic()
        changed = self._changed(rows)
        stale = changed + self._longest_known(rows, {row.uuid for row in changed}, now)
        problems = []
        for start in range(0, len(stale), XML_AT_ONCE):
            part = stale[start : start + XML_AT_ONCE]
            try:
                texts, refused = self._hypervisor.xml([row.uuid for row in part])
            except (NoAnswerError, HypervisorError) as error:
                problems.append(f"XML of {len(part)} domains could not be read: {error}")
                continue
            problems += self._keep(part, texts, refused, now)
        return problems

    def _changed(self, rows: list[DomainRow]) -> list[DomainRow]:
        changed = []
        for row in rows:
            known, seen = self._known.get(row.uuid), sighting(row)
            if known is not None and known.sighting.is_followed_by(seen):
                known.sighting = known.sighting.merged(seen)
            else:
                changed.append(row)
        return changed

    def _longest_known(
        self, rows: list[DomainRow], changed: set[str], now: float
    ) -> list[DomainRow]:
        old = [
            row
            for row in rows
            if row.uuid not in changed and now - self._known[row.uuid].read_at >= REFRESH_S
        ]
        return sorted(old, key=lambda row: self._known[row.uuid].read_at)[:REFRESH_AT_ONCE]

    def _keep(
        self, rows: list[DomainRow], texts: dict[str, str], refused: dict[str, str], now: float
    ) -> list[str]:
        """`refused` is {uuid: why its XML could not be read}: what was known of it stays."""
        problems = []
        for row in rows:
            if row.uuid in refused:
                problems.append(f"{row.label}: XML could not be read: {refused[row.uuid]}")
                continue
            text = texts.get(row.uuid)
            if text is None:
                self._known.pop(row.uuid, None)
                poll_metrics.DOMAINS_GONE.inc()
                continue
            try:
                info = parse_domain(text, self._host, self._default_owner, self._user_keys)
            except DomainXmlError as error:
                problems.append(f"{row.label}: {error}")
                continue
            self._note_left_out(row, info)
            self._known[row.uuid] = _Known(sighting(row), now, info)
            self._note_owner(row, info)
        return problems

    def _note_left_out(self, row: DomainRow, info: DomainInfo) -> None:
        known = self._known.get(row.uuid)
        if info.notes and (known is None or known.info.notes != info.notes):
            log.warning("metadata of a domain left out", domain=row.label, what=info.notes)

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
        remembered = here.union(aside.uuids)
        self._known = {uuid: known for uuid, known in self._known.items() if uuid in remembered}
        self._deltas.keep(remembered)
        self._cpu_sources = {
            boot: source
            for boot, source in self._cpu_sources.items()
            if boot in boots or boot[0] in aside
        }
        self._without_owner = {
            boot for boot in self._without_owner if boot in boots or boot[0] in aside
        }


class UnpolledHypervisor:
    """Stands for a hypervisor that somebody asked for and that is not polled; says why."""

    kind = "compute"

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    def poll(self, builder: BatchBuilder) -> Findings:
        raise SourceError(self._why)


HOW_TO_ADD_LIBVIRT = (
    "libvirt-python is not installed: install libvirt's headers (Debian: libvirt-dev) and a "
    "compiler, then `pip install telemetry[compute]` with the version of the system's libvirt"
)
