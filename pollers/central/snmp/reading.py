"""Which objects the meters need, and samples from what the agent answers. Pure.

The host is a resource, and so is each row of a table, by what its metadata call `device` or `name`.
Metadata of a resource are those of all its meters. What is not there is no sample.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from meters import wire
from pollers.central.snmp.conversion import ConversionError, Raw, hex_of
from pollers.central.snmp.definition import Column, PostOp, SnmpMeter
from pollers.central.snmp.oids import Oid, dotted, parse_oid
from pollers.central.snmp.walking import Table
from pollers.scrub import Notes, scrubbed

#: `memTotalReal` of UCD-SNMP-MIB, from which `memAvailReal` is taken.
MEMORY_TOTAL = parse_oid("1.3.6.1.4.1.2021.4.5.0")
#: `ipAdEntIfIndex` of IP-MIB: {IPv4 address: number of its interface}.
ADDRESSES = parse_oid("1.3.6.1.2.1.4.20.1.2")
SOURCE = "hardware"
HOST, DISK, NIC, OTHER = "host", "host_disk", "host_network_interface", "generic"
#: Metadata that name a row, the first one that is there.
_NAMES = ("device", "name")


@dataclass(frozen=True)
class Wanted:
    """What a poll asks for: single objects, and columns by the table that they are of."""

    objects: tuple[Oid, ...]
    tables: tuple[tuple[Oid, ...], ...]


@dataclass
class Answers:
    """What came. `problems` are tables that could not be read, or not to their end."""

    objects: Table = field(default_factory=dict)
    columns: dict[Oid, Table] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """One sample in the making. `row` is the index in its table, empty for the host itself."""

    meter: SnmpMeter
    row: Oid
    value: float


def wanted(meters: Iterable[SnmpMeter]) -> Wanted:
    """Each object and each column once, whatever meters need it."""
    objects: dict[Oid, None] = {}
    columns: dict[Oid, None] = {}
    for meter in meters:
        into = columns if meter.is_table else objects
        into.update(dict.fromkeys(one.oid for one in (meter.column, *meter.metadata.values())))
        if meter.post_op is PostOp.USED_MEMORY:
            objects[MEMORY_TOTAL] = None
        if meter.post_op is PostOp.NETWORK:
            columns[ADDRESSES] = None
    tables: dict[Oid, list[Oid]] = {}
    for column in columns:
        tables.setdefault(column[:-1], []).append(column)
    return Wanted(tuple(objects), tuple(map(tuple, tables.values())))


class Shaping:
    """Samples of one poll. `lacking` are meters of which the agent has nothing at all."""

    def __init__(self, host: str, url: str, answers: Answers) -> None:
        """`url` is without secrets."""
        self.lacking: list[SnmpMeter] = []
        self.problems: Counter[str] = Counter()
        self._host = host
        self._url = url
        self._answers = answers
        self._addresses = _addresses(answers.columns.get(ADDRESSES, {}))

    def samples(self, meters: Iterable[SnmpMeter]) -> list[tuple[wire.Resource, SnmpMeter, float]]:
        """What is wrong with a value is counted in `problems`; the others count."""
        readings = [reading for meter in meters for reading in self._readings(meter)]
        resources = self._resources(readings)
        return [(resources[kind_of(one.meter), one.row], one.meter, one.value) for one in readings]

    # --- values ------------------------------------------------------------------------------
    def _readings(self, meter: SnmpMeter) -> list[Reading]:
        raw = list(self._raw(meter))
        if not raw:
            self.lacking.append(meter)
        made = []
        for row, value in raw:
            try:
                made.append(Reading(meter, row, self._value(meter, value)))
            except ConversionError as error:
                self.problems[f"{meter.name}: {error}"] += 1
        return made

    def _raw(self, meter: SnmpMeter) -> Iterator[tuple[Oid, Raw]]:
        if meter.is_table:
            yield from self._answers.columns.get(meter.column.oid, {}).items()
        elif meter.column.oid in self._answers.objects:
            yield (), self._answers.objects[meter.column.oid]

    def _value(self, meter: SnmpMeter, raw: Raw) -> float:
        value = _number(meter.column.convert(raw))
        if meter.post_op is not PostOp.USED_MEMORY:
            return value
        total = self._answers.objects.get(MEMORY_TOTAL)
        if total is None:
            raise ConversionError(f"the agent has no {dotted(MEMORY_TOTAL)}, the total")
        return _number(total) - value

    # --- resources ---------------------------------------------------------------------------
    def _resources(self, readings: Sequence[Reading]) -> dict[tuple[str, Oid], wire.Resource]:
        """{(type, row): resource}."""
        metadata: dict[tuple[str, Oid], dict[str, Any]] = {}
        for one in readings:
            known = metadata.setdefault((kind_of(one.meter), one.row), {})
            known.update(self._metadata(one.meter, one.row))
        names = _names(metadata)
        notes: Notes = Notes()
        made = {
            key: wire.Resource(
                self._identity(names[key]), None, None, key[0],
                scrubbed({**values, "resource_url": self._url}, notes), SOURCE,
            )
            for key, values in metadata.items()
        }  # fmt: skip
        self.problems.update(notes)
        return made

    def _metadata(self, meter: SnmpMeter, row: Oid) -> dict[str, Any]:
        found = {}
        for key, column in meter.metadata.items():
            raw = self._raw_metadata(meter, column, row)
            if raw is None:
                continue
            try:
                found[key] = column.convert(raw)
            except ConversionError as error:
                self.problems[f"{meter.name}: metadata {key}: {error}"] += 1
        if meter.post_op is PostOp.NETWORK and row:
            found.update(self._addresses.get(row[-1], {}))
        return found

    def _raw_metadata(self, meter: SnmpMeter, column: Column, row: Oid) -> Raw | None:
        if meter.is_table:
            return self._answers.columns.get(column.oid, {}).get(row)
        return self._answers.objects.get(column.oid)

    def _identity(self, name: str) -> str:
        """An id that is too long ends in a digest of itself."""
        full = f"{self._host}.{name}" if name else self._host
        if len(full) <= wire.MAX_NAME:
            return full
        return f"{full[: wire.MAX_NAME - 33]}#{hashlib.sha256(full.encode()).hexdigest()[:32]}"


def kind_of(meter: SnmpMeter) -> str:
    """The type of its resources."""
    if not meter.is_table:
        return HOST
    if meter.post_op is PostOp.NETWORK:
        return NIC
    return DISK if meter.post_op is PostOp.DISK or "device" in meter.metadata else OTHER


def _names(metadata: dict[tuple[str, Oid], dict[str, Any]]) -> dict[tuple[str, Oid], str]:
    """What each resource is called after the host; "" is the host itself.

    Several of one name (file systems of the device `tmpfs`, adapters of one make) have their path
    or their row behind it.
    """
    names = {key: _name(key[1], values) for key, values in metadata.items()}
    shared = Counter(names.values())
    for key, values in metadata.items():
        if key[1] and shared[names[key]] > 1:
            names[key] += f".{values.get('path') or dotted(key[1])}"
    return names


def _name(row: Oid, values: dict[str, Any]) -> str:
    if not row:
        return ""
    named = (str(values[key]) for key in _NAMES if values.get(key))
    return next(named, dotted(row))


def _addresses(column: Table) -> dict[int, dict[str, Any]]:
    """{number of an interface: metadata}: `ip`, and where it has several all `ip_addresses`."""
    found: dict[int, list[str]] = {}
    for address, interface in sorted(column.items()):
        if isinstance(interface, int):
            found.setdefault(interface, []).append(dotted(address))
    return {
        interface: {"ip": many[0], **({"ip_addresses": many} if len(many) > 1 else {})}
        for interface, many in found.items()
    }


def _number(value: Any) -> float:
    if isinstance(value, bool | int | float | str):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    shown = hex_of(value) if isinstance(value, bytes) else value
    raise ConversionError(f"the value {shown!r:.80} is no number")
