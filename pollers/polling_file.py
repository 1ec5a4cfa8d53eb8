"""polling.yaml: which meters are polled, how often, and of what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from pollers.central.snmp.address import AddressError, is_snmp, parse_address
from pollers.errors import PollersError
from pollers.operator_files import read_operators_yaml
from pollers.pollsters.discoveries import is_discovery
from telemetry_site.expression_grammar import parse
from telemetry_site.selection import Selection
from telemetry_site.yamlfile import DefinitionError, Fault, Mapping, Sequence

#: What tells agents of a source's polls is kept for two intervals, and brokers keep it for some
#: weeks at the most.
LONGEST_INTERVAL_S = 7 * 86400
_KEYS = {
    "name", "interval", "meters", "resources", "discovery", "group_id_coordination_expression",
}  # fmt: skip


class PollingFileError(PollersError, ImproperlyConfigured):
    """A polling file with which an agent must not start; one fault a line."""


@dataclass(frozen=True)
class PollingSource:
    """One source of the file. `lines` are those of its meters, for messages. `resources` may hold
    passwords.
    """

    name: str
    interval_s: float
    meters: Selection
    resources: tuple[str, ...] = field(default=(), repr=False)
    discovery: tuple[str, ...] = ()
    place: str = ""
    lines: dict[str, int] = field(default_factory=dict)

    def names(self, meter: str) -> bool:
        """Whether the list has this very name, not a wildcard that fits it."""
        return meter in self.meters.included

    @property
    def snmp_urls(self) -> tuple[str, ...]:
        """Resources that the SNMP meters are of, and no pollster's."""
        return tuple(url for url in self.resources if is_snmp(url))

    @property
    def plain_resources(self) -> tuple[str, ...]:
        """The others."""
        return tuple(one for one in self.resources if not is_snmp(one))

    @property
    def is_for_agents(self) -> bool:
        """Whether it chooses meters of pollsters, hosts and hypervisors, too: SNMP hosts are polled
        in place of what an agent would find by itself.
        """
        return not self.snmp_urls or bool(self.plain_resources or self.discovery)


def read_polling(file: Path) -> tuple[list[PollingSource], list[Fault]]:
    """The sources that are right, and what is wrong with the others."""
    content, faults = read_operators_yaml(file)
    if content is None and faults:
        return [], faults
    written = content.get("sources") if isinstance(content, Mapping) else None
    if not isinstance(written, Sequence) or not written:
        return [], [*faults, Fault(str(file), 1, "sources required")]
    for key in content:
        if key != "sources":
            faults.append(Fault(str(file), content.line_of(key), f"there is no key {key!r} here"))
    sources: list[PollingSource] = []
    for one, line in zip(written, written.lines, strict=True):
        try:
            source = _source(file, one, line)
            if source.name in {known.name for known in sources}:
                raise DefinitionError(f"Duplicated source names: {source.name}", line)
            sources.append(source)
        except DefinitionError as error:
            name = one.get("name") if isinstance(one, Mapping) else None
            where = f"source {name!r}: " if name else ""
            faults.append(Fault(str(file), error.line or line, f"{where}{error}"))
    return sources, faults


def load_polling(file: Path) -> list[PollingSource]:
    """Raises `PollingFileError` with every fault: half a file would leave silent gaps."""
    sources, faults = read_polling(file)
    if faults:
        raise PollingFileError("\n".join(map(str, faults)))
    return sources


def _source(file: Path, written: object, line: int) -> PollingSource:
    if not isinstance(written, Mapping):
        raise DefinitionError("a source is a mapping", line)
    for key in written:
        if key not in _KEYS:
            raise DefinitionError(f"there is no key {key!r} of a source", written.line_of(key))
    name = written.get("name")
    if not isinstance(name, str) or not name:
        raise DefinitionError("Required field name not specified", line)
    _check_expression(written)
    discovery = _texts(written, "discovery", "Discovery should be a list")
    for one in discovery:
        if not is_discovery(one):
            raise DefinitionError(f"there is no discovery {one!r}", written.line_of("discovery"))
    return PollingSource(
        name=name,
        interval_s=_interval(written),
        meters=_meters(written),
        resources=_resources(written),
        discovery=discovery,
        place=f"{file}:{line}",
        lines=dict(zip(map(str, written["meters"]), written["meters"].lines, strict=True)),
    )


def _interval(written: Mapping) -> float:
    line = written.line_of("interval")
    if "interval" not in written:
        raise DefinitionError("Missing interval value", line)
    interval = written["interval"]
    if isinstance(interval, bool) or not isinstance(interval, int):
        raise DefinitionError(f"Invalid interval value {interval!r:.40}", line)
    if interval <= 0:
        raise DefinitionError("Interval value should > 0", line)
    if interval > LONGEST_INTERVAL_S:
        raise DefinitionError(
            f"Interval value should be at most {LONGEST_INTERVAL_S} seconds, a week", line
        )
    return float(interval)


def _meters(written: Mapping) -> Selection:
    line = written.line_of("meters")
    if not isinstance(written.get("meters"), Sequence):
        raise DefinitionError("Missing meters value", line)
    try:
        return Selection(written["meters"])
    except DefinitionError as error:
        raise DefinitionError(str(error), line) from error


def _texts(written: Mapping, key: str, complaint: str) -> tuple[str, ...]:
    value: Any = written.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DefinitionError(complaint, written.line_of(key))
    return tuple(value)


def _resources(written: Mapping) -> tuple[str, ...]:
    resources = _texts(written, "resources", "Resources should be a list")
    lines = written["resources"].lines if resources else ()
    for resource, line in zip(resources, lines, strict=True):
        if is_snmp(resource):
            try:
                parse_address(resource)
            except AddressError as error:
                raise DefinitionError(str(error), line) from error
    return resources


def _check_expression(written: Mapping) -> None:
    """It spreads pollsters over agents elsewhere; here the queue does, so it has no effect."""
    key = "group_id_coordination_expression"
    if key in written:
        try:
            parse(str(written[key]), {"pollster", "name"})
        except DefinitionError as error:
            raise DefinitionError(f"{key}: {error}", written.line_of(key)) from error


def unmatched(
    sources: Iterable[PollingSource], known: Iterable[str], snmp: Iterable[str] = ()
) -> list[Fault]:
    """Names of meters that nothing there has: `known` are those of pollsters, hosts and
    hypervisors, `snmp` those of hosts that are asked by SNMP.
    """
    meters, of_snmp = list(known), list(snmp)
    faults = []
    for source in sources:
        file = source.place.rpartition(":")[0]
        able = [*(meters if source.is_for_agents else ()), *(of_snmp if source.snmp_urls else ())]
        what = "pollster" if source.is_for_agents else "SNMP meter"
        for pattern in source.meters.unmatched(able):
            line = source.lines.get(pattern, 0)
            faults.append(Fault(file, line, f"source {source.name!r}: no {what} is {pattern}"))
    return faults
