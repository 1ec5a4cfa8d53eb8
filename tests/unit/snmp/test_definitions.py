"""Files of SNMP meters: the stock one, classic ones, and faults with their lines."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from meters import wire
from pollers.central.snmp.conversion import ConversionError, read_type
from pollers.central.snmp.definition import PostOp
from pollers.central.snmp.loading import STOCK, load_snmp_meters, read_snmp_meters
from pollers.central.snmp.oids import dotted, parse_oid
from telemetry_site.yamlfile import DefinitionError

UCD, MIB2 = "1.3.6.1.4.1.2021", "1.3.6.1.2.1"
#: sources.md 4.4: meter → (unit, type, OID).
CLASSIC = {
    "cpu.load.1min": ("process", "gauge", f"{UCD}.10.1.3.1"),
    "cpu.load.5min": ("process", "gauge", f"{UCD}.10.1.3.2"),
    "cpu.load.15min": ("process", "gauge", f"{UCD}.10.1.3.3"),
    "cpu.util": ("%", "gauge", f"{UCD}.11.9.0"),
    "disk.size.total": ("KB", "gauge", f"{UCD}.9.1.6"),
    "disk.size.used": ("KB", "gauge", f"{UCD}.9.1.8"),
    "memory.total": ("KB", "gauge", f"{UCD}.4.5.0"),
    "memory.used": ("KB", "gauge", f"{UCD}.4.6.0"),
    "memory.swap.total": ("KB", "gauge", f"{UCD}.4.3.0"),
    "memory.swap.avail": ("KB", "gauge", f"{UCD}.4.4.0"),
    "memory.buffer": ("KB", "gauge", f"{UCD}.4.14.0"),
    "memory.cached": ("KB", "gauge", f"{UCD}.4.15.0"),
    "network.incoming.bytes": ("B", "cumulative", f"{MIB2}.2.2.1.10"),
    "network.outgoing.bytes": ("B", "cumulative", f"{MIB2}.2.2.1.16"),
    "network.outgoing.errors": ("packet", "cumulative", f"{MIB2}.2.2.1.20"),
    "network.ip.outgoing.datagrams": ("datagrams", "cumulative", f"{MIB2}.4.10.0"),
    "network.ip.incoming.datagrams": ("datagrams", "cumulative", f"{MIB2}.4.3.0"),
    "system_stats.cpu.idle": ("%", "gauge", f"{UCD}.11.11.0"),
    "system_stats.io.outgoing.blocks": ("blocks", "cumulative", f"{UCD}.11.57.0"),
    "system_stats.io.incoming.blocks": ("blocks", "cumulative", f"{UCD}.11.58.0"),
}


def test_the_stock_file_has_the_classic_meters_and_no_others() -> None:
    meters, faults = load_snmp_meters([])
    assert not faults
    assert {
        name.removeprefix("hardware."): (one.unit, one.type, dotted(one.column.oid))
        for name, one in meters.items()
    } == CLASSIC
    assert {name for name, one in meters.items() if one.is_table} == {
        "hardware.disk.size.total", "hardware.disk.size.used", "hardware.network.incoming.bytes",
        "hardware.network.outgoing.bytes", "hardware.network.outgoing.errors",
    }  # fmt: skip
    assert {name for name, one in meters.items() if one.post_op is PostOp.USED_MEMORY} == {
        "hardware.memory.used"
    }
    nic = meters["hardware.network.outgoing.errors"]
    assert {key: dotted(column.oid) for key, column in nic.metadata.items()} == {
        "name": f"{MIB2}.2.2.1.2", "speed": f"{MIB2}.2.2.1.5", "mac": f"{MIB2}.2.2.1.6",
    }  # fmt: skip
    assert nic.post_op is PostOp.NETWORK
    disk = meters["hardware.disk.size.used"]
    assert {key: dotted(column.oid) for key, column in disk.metadata.items()} == {
        "path": f"{UCD}.9.1.2", "device": f"{UCD}.9.1.3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "raw", "value"),
    [
        ("int", 7, 7),
        ("int", b"17\x00", 17),
        ("float", b"0.25", 0.25),
        ("float", 0.25, 0.25),
        ("str", b"eth0\x00", "eth0"),
        ("str", b"caf\xc3\xa9", "café"),
        ("str", b"\xff\x00\x01", "0xff0001"),
        ("str", "10.0.0.1", "10.0.0.1"),
        ("hex", bytes.fromhex("001122aabbcc"), "001122aabbcc"),
        ("int(x) // 8", 1_000_000_000, 125_000_000),
        # As files of ceilometer write them, whatever their blanks and quotes.
        ("lambda x: float(str(x))", b"0.12", 0.12),
        ("lambda x: int(x) / 8", 80, 10),
        ("lambda x: x.prettyPrint().replace('0x', '')", b"\x52\x54\x00\xab", "525400ab"),
        ('lambda  x:x.prettyPrint().replace("0x","")', b"ABCDEF", "414243444546"),
        ("lambda value: value.split()[0]", b"12 V", "12"),
    ],
)  # fmt: skip
def test_a_type_converts(written: str, raw: Any, value: Any) -> None:
    assert read_type(written)(raw) == value


@pytest.mark.parametrize(
    ("written", "raw"),
    [("int", b"many"), ("float", b""), ("int", float("inf")), ("lambda x: int(x)", b"n"),
     ("x.split()[5]", b"a b"), ("x.split()", b"a b"), ("lambda x: lambda y: x", 1)],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_an_error_in_words(written: str, raw: Any) -> None:
    with pytest.raises(ConversionError):
        read_type(written)(raw)


@pytest.mark.parametrize(
    "written",
    [
        "lambda x: __import__('os').system('true')", "lambda x: open(x)", "lambda: 1",
        "lambda x, y: x", "lambda x=1: x", "lambda x: 1", "lambda *x: x",
        "lambda x: x.asOctets()", "eval(x)", "integer", "", "   ", 5, None, ["int"],
    ],
)  # fmt: skip
def test_other_types_are_refused(written: Any) -> None:
    with pytest.raises(DefinitionError):
        read_type(written)


@pytest.mark.parametrize("written", ["1.3", ".1.3.6.1", "1." * 127 + "1", "1.3.4294967295", "0.0"])
def test_oids_are_read(written: str) -> None:
    assert dotted(parse_oid(written)) == written.lstrip(".")


@pytest.mark.parametrize(
    "written",
    ["", "1", "1..3", "1.3.", "a.b", "1.3.x", "1.3.4294967296", "3.1", "1." * 128 + "1", 1.3, None,
     "1.3\n", "1.-3"],
)  # fmt: skip
def test_what_is_no_oid_is_refused(written: Any) -> None:
    with pytest.raises(DefinitionError):
        parse_oid(written)


GOOD = """\
metric:
  - name: hardware.fine
    unit: C
    type: gauge
    snmp_inspector: {matching_type: type_exact, oid: "1.3.6.1.9.1", type: int}
"""


def write(folder: Path, text: str, name: str = "snmp.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


BAD = (
    GOOD
    + """\
  - name: hardware.bad
    unit: C
    type: gauge
    snmp_inspector:
      matching_type: type_prefix
      oid: "1.3.6.1.9.2"
      type: int
      metadata:
        name:
          oid: "1.3.6.1.9.3"
          type: str
      post_op: _post_op_net
"""
)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("type_prefix", "type_any", 10, "matching_type 'type_any' is neither type_exact nor"),
        ('oid: "1.3.6.1.9.2"', "oid: 1.3", 11, "oid: 1.3 is no OID"),
        ('"1.3.6.1.9.3"', '"1..3"', 15, "oid: '1..3' is no OID"),
        ("type: int\n      m", "type: lambda x os\n      m", 12, "no expression of one variable"),
        ("type: str", 'type: "lambda x: x.__class__"', 16, "__class__"),
        ("_post_op_net", "_post_op_other", 17, "post_op '_post_op_other' is none of _post_op_mem"),
        ("post_op:", "post_ops:", 17, "there is no key 'post_ops' of snmp_inspector"),
        ("hardware.bad\n    unit: C\n    type: gauge", "hardware.bad\n    unit: C\n    type: rate",
         8, "type 'rate' is none of"),
        ("hardware.bad\n    unit: C", "hardware.bad\n    unit: 5", 7, "unit is missing or no text"),
        ("name: hardware.bad\n    unit", "unit", 6, "name is missing"),
        ('name:\n          oid: "1.3.6.1.9.3"\n          type: str', "name: x", 14,
         "metadata name is a mapping"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line_and_costs_no_other_meter(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert BAD.count(old) == 1, old
    file = write(tmp_path, BAD.replace(old, new))
    meters, faults = read_snmp_meters(file)
    assert [one.name for one in meters] == ["hardware.fine"]
    assert [fault.line for fault in faults] == [line], faults
    assert re.search(said, faults[0].text), faults
    assert str(faults[0]).startswith(f"{file}:{line}: ")


@pytest.mark.parametrize(
    "text", ["[]", "metric: 5", "5", "metric: {a: 1}", "- metric", "a: b: c", "metric: [5]"]
)
def test_what_is_no_file_of_meters_is_one_fault(tmp_path: Path, text: str) -> None:
    meters, faults = read_snmp_meters(write(tmp_path, text))
    assert not meters
    assert len(faults) == 1


def test_a_file_that_anybody_may_write_to_is_not_read(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    file.chmod(file.stat().st_mode | stat.S_IWOTH)
    meters, (fault,) = read_snmp_meters(file)
    assert not meters
    assert "chmod o-w" in fault.text


def test_an_operators_meter_replaces_ours_and_the_first_of_a_name_counts(tmp_path: Path) -> None:
    own = GOOD.replace("hardware.fine", "hardware.cpu.util")
    write(tmp_path, own, "a.yaml")
    write(tmp_path, own.replace("1.3.6.1.9.1", "1.3.6.1.9.9"), "b.yaml")
    meters, (fault,) = load_snmp_meters([tmp_path])
    assert dotted(meters["hardware.cpu.util"].column.oid) == "1.3.6.1.9.1"
    assert len(meters) == len(CLASSIC)
    assert str(fault).startswith(f"{tmp_path}/b.yaml:2: hardware.cpu.util stands in")


def test_a_classic_file_is_read_as_it_is(tmp_path: Path) -> None:
    """The form that ceilometer's file has: types as lambdas, anchors of metadata, post_op null."""
    interface = {
        "matching_type": "type_prefix", "oid": f"{MIB2}.2.2.1.10", "type": "int",
        "metadata": {
            "name": {"oid": f"{MIB2}.2.2.1.2", "type": "str"},
            "speed": {"oid": f"{MIB2}.2.2.1.5", "type": "lambda x: int(x) / 8"},
            "mac": {
                "oid": f"{MIB2}.2.2.1.6", "type": "lambda x: x.prettyPrint().replace('0x', '')",
            },
        },
        "post_op": "_post_op_net",
    }  # fmt: skip
    load = {
        "matching_type": "type_exact", "oid": f"{UCD}.10.1.3.1", "type": "lambda x: float(str(x))",
        "post_op": None,
    }  # fmt: skip
    text = yaml.safe_dump({"metric": [
        {"name": "a", "unit": "process", "type": "gauge", "snmp_inspector": load},
        {"name": "b", "unit": "B", "type": "cumulative", "snmp_inspector": interface},
        {"name": "c", "unit": "B", "type": "cumulative", "snmp_inspector": interface},
    ]})  # fmt: skip
    assert "&id" in text
    meters, faults = read_snmp_meters(write(tmp_path, text))
    assert not faults
    assert [one.name for one in meters] == ["a", "b", "c"]
    assert meters[1].metadata["mac"].convert(b"\x01\x02") == "0102"
    assert meters[1].type in wire.SAMPLE_TYPES


def test_the_stock_file_stands_where_the_others_do() -> None:
    assert STOCK.is_file()
