"""Files of SNMP meters in ceilometer's format (snmp.yaml): a list `metric`.

As with pollsters, the first definition of a name wins and ours come last; a bad one is a fault and
left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from meters import wire
from pollers.central.snmp.conversion import read_type
from pollers.central.snmp.definition import Column, PostOp, SnmpMeter
from pollers.central.snmp.oids import Oid, parse_oid
from pollers.operator_files import first_of_each, read_operators_yaml
from telemetry_site.yamlfile import DefinitionError, Fault, Mapping, Sequence

STOCK = Path(__file__).parent.parent.parent / "definitions" / "snmp.yaml"
#: The key that tells such a file from one of meters of notifications.
INSPECTOR = "snmp_inspector"
EXACT, TABLE = "type_exact", "type_prefix"
_KEYS = ("name", "unit", "type", INSPECTOR)
_INSPECTOR_KEYS = ("matching_type", "oid", "type", "metadata", "post_op")
_COLUMN_KEYS = ("oid", "type")


def load_snmp_meters(
    paths: Iterable[Path], stock: bool = True
) -> tuple[dict[str, SnmpMeter], list[Fault]]:
    """({name: meter}, faults) of files and directories, and of ours where `stock`."""
    return first_of_each(paths, STOCK if stock else None, read_snmp_meters)


def read_snmp_meters(file: Path) -> tuple[list[SnmpMeter], list[Fault]]:
    """The meters of one file that are right, and what is wrong with the others."""
    content, faults = read_operators_yaml(file)
    if content is None and faults:
        return [], faults
    written = content.get("metric") if isinstance(content, Mapping) else None
    if not isinstance(written, Sequence):
        return [], [*faults, Fault(str(file), 1, "must be a mapping with a list 'metric'")]
    faults += [
        Fault(str(file), content.line_of(key), f"there is no key {key!r} here")
        for key in content
        if key != "metric"
    ]
    made: list[SnmpMeter] = []
    for one, line in zip(written, written.lines, strict=True):
        try:
            made.append(_meter(one, line, str(file)))
        except DefinitionError as error:
            name = one.get("name") if isinstance(one, Mapping) else None
            where = f"{name}: " if isinstance(name, str) else ""
            faults.append(Fault(str(file), error.line or line, f"{where}{error}"))
    return made, faults


def _meter(written: Any, line: int, file: str) -> SnmpMeter:
    _check_keys(written, line, _KEYS, "a meter")
    name, unit = _text(written, "name"), _text(written, "unit")
    sample_type = _text(written, "type")
    if sample_type not in wire.SAMPLE_TYPES:
        known = ", ".join(wire.SAMPLE_TYPES)
        raise DefinitionError(
            f"type {sample_type!r:.40} is none of {known}", written.line_of("type")
        )
    inspector = written.get(INSPECTOR)
    _check_keys(inspector, written.line_of(INSPECTOR), _INSPECTOR_KEYS, INSPECTOR)
    return SnmpMeter(
        name=name,
        place=f"{file}:{line}",
        unit=unit,
        type=cast(wire.SampleType, sample_type),
        column=_column(inspector),
        is_table=_is_table(inspector),
        metadata=_metadata(inspector),
        post_op=_post_op(inspector),
    )


def _check_keys(written: Any, line: int, known: tuple[str, ...], what: str) -> None:
    if not isinstance(written, Mapping):
        raise DefinitionError(f"{what} is a mapping", line)
    for key in written:
        if key not in known:
            raise DefinitionError(f"there is no key {key!r:.40} of {what}", written.line_of(key))


def _text(written: Mapping, key: str) -> str:
    value = written.get(key)
    if not isinstance(value, str) or not value:
        raise DefinitionError(f"{key} is missing or no text", written.line_of(key))
    return value


def _is_table(inspector: Mapping) -> bool:
    kind = inspector.get("matching_type")
    if kind not in (EXACT, TABLE):
        raise DefinitionError(
            f"matching_type {kind!r:.40} is neither {EXACT} nor {TABLE}",
            inspector.line_of("matching_type"),
        )
    return bool(kind == TABLE)


def _column(written: Mapping) -> Column:
    return Column(_oid(written), _at(written, "type", read_type))


def _oid(written: Mapping) -> Oid:
    oid: Oid = _at(written, "oid", parse_oid)
    return oid


def _at(written: Mapping, key: str, read: Any) -> Any:
    """`read` of a key's value; its fault is that line's."""
    try:
        return read(written.get(key))
    except DefinitionError as error:
        raise DefinitionError(f"{key}: {error}", written.line_of(key)) from error


def _metadata(inspector: Mapping) -> dict[str, Column]:
    written = inspector.get("metadata")
    if written is None:
        return {}
    line = inspector.line_of("metadata")
    if not isinstance(written, Mapping):
        raise DefinitionError("metadata is a mapping", line)
    found = {}
    for key, column in written.items():
        _check_keys(column, written.line_of(key), _COLUMN_KEYS, f"metadata {key}")
        found[str(key)] = _column(column)
    return found


def _post_op(inspector: Mapping) -> PostOp | None:
    name = inspector.get("post_op")
    if name is None:
        return None
    try:
        return PostOp(name)
    except ValueError:
        known = ", ".join(one.value for one in PostOp)
        raise DefinitionError(
            f"post_op {name!r:.60} is none of {known}", inspector.line_of("post_op")
        ) from None
