"""From an agent's answers to samples: values, rows, names, metadata."""

from __future__ import annotations

from typing import Any

import pytest

from meters import wire
from pollers.central.snmp.conversion import Raw
from pollers.central.snmp.definition import SnmpMeter
from pollers.central.snmp.loading import load_snmp_meters
from pollers.central.snmp.oids import Oid, parse_oid
from pollers.central.snmp.reading import ADDRESSES, MEMORY_TOTAL, Answers, Shaping, wanted

METERS, _ = load_snmp_meters([])
URL = "snmp://node1"
INTERFACES = "1.3.6.1.2.1.2.2.1"
DISKS = "1.3.6.1.4.1.2021.9.1"

Samples = dict[tuple[str, str], tuple[float, wire.Resource]]


def meters(*names: str) -> list[SnmpMeter]:
    return [METERS[f"hardware.{name}"] for name in names]


def shaped(answers: Answers, *names: str) -> tuple[Samples, Shaping]:
    shaping = Shaping("node1", URL, answers)
    made = shaping.samples(meters(*names))
    found = {(one.id, meter.name): (value, one) for one, meter, value in made}
    assert len(found) == len(made), "two samples of one series"
    return found, shaping


def values(samples: Samples) -> dict[tuple[str, str], float]:
    return {
        (rid, meter.removeprefix("hardware.")): value
        for (rid, meter), (value, _) in samples.items()
    }


def objects(**known: Raw) -> Answers:
    return Answers({METERS[f"hardware.{name}"].column.oid: raw for name, raw in known.items()})


def column(table: str, number: int, *raw: Raw, first: int = 1) -> tuple[Oid, dict[Oid, Raw]]:
    return parse_oid(f"{table}.{number}"), {(row,): one for row, one in enumerate(raw, start=first)}


def nics(*names: bytes, **more: Any) -> Answers:
    """Of each interface 100, 200 … bytes came in."""
    rows = [100 * number for number in range(1, len(names) + 1)]
    return Answers({}, {
        **dict([column(INTERFACES, 2, *names), column(INTERFACES, 10, *rows)]),
        **more.get("columns", {}),
    })  # fmt: skip


def test_the_host_is_a_resource_with_its_name() -> None:
    answers = objects(**{"cpu.load.1min": b"0.25", "memory.total": 2048, "cpu.util": 3})
    samples, shaping = shaped(answers, "cpu.load.1min", "memory.total", "cpu.util")
    assert values(samples) == {
        ("node1", "cpu.load.1min"): 0.25, ("node1", "memory.total"): 2048, ("node1", "cpu.util"): 3,
    }  # fmt: skip
    (resource,) = {id(one): one for _, one in samples.values()}.values()
    assert resource == wire.Resource("node1", None, None, "host", {"resource_url": URL}, "hardware")
    assert not shaping.lacking
    assert not shaping.problems


def test_memory_used_is_the_total_less_what_is_available() -> None:
    answers = objects(**{"memory.used": 500, "memory.total": 2048})
    assert values(shaped(answers, "memory.used")[0]) == {("node1", "memory.used"): 1548}


def test_memory_used_without_a_total_is_no_sample() -> None:
    samples, shaping = shaped(objects(**{"memory.used": 500}), "memory.used")
    assert not samples
    (problem,) = shaping.problems
    assert problem.startswith("hardware.memory.used: the agent has no 1.3.6.1.4.1.2021.4.5.0")


def test_what_is_not_there_is_no_sample_and_lacks() -> None:
    samples, shaping = shaped(
        objects(**{"cpu.util": 3}), "cpu.util", "memory.used", "disk.size.used"
    )
    assert list(values(samples)) == [("node1", "cpu.util")]
    assert [one.name for one in shaping.lacking] == [
        "hardware.memory.used",
        "hardware.disk.size.used",
    ]
    assert not shaping.problems


def test_interfaces_are_resources_with_name_speed_mac_and_address() -> None:
    answers = nics(b"lo", b"eth0", columns={
        **dict([
            column(INTERFACES, 5, 10_000_000, 1_000_000_000),
            column(INTERFACES, 6, b"", bytes.fromhex("525400010203")),
            column(INTERFACES, 16, 7, 8),
        ]),
        ADDRESSES: {(127, 0, 0, 1): 1, (10, 0, 0, 7): 2, (10, 0, 0, 11): 2},
    })  # fmt: skip
    samples, _ = shaped(answers, "network.incoming.bytes", "network.outgoing.bytes")
    assert values(samples) == {
        ("node1.lo", "network.incoming.bytes"): 100, ("node1.eth0", "network.incoming.bytes"): 200,
        ("node1.lo", "network.outgoing.bytes"): 7, ("node1.eth0", "network.outgoing.bytes"): 8,
    }  # fmt: skip
    lo = samples["node1.lo", "hardware.network.incoming.bytes"][1]
    assert (lo.type, lo.source) == ("host_network_interface", "hardware")
    assert lo.metadata == {
        "resource_url": URL, "name": "lo", "speed": 1_250_000, "mac": "", "ip": "127.0.0.1",
    }  # fmt: skip
    assert samples["node1.eth0", "hardware.network.outgoing.bytes"][1].metadata == {
        "resource_url": URL, "name": "eth0", "speed": 125_000_000, "mac": "525400010203",
        "ip": "10.0.0.7", "ip_addresses": ["10.0.0.7", "10.0.0.11"],
    }  # fmt: skip


def test_disks_are_resources_by_their_devices_with_their_paths() -> None:
    answers = Answers({}, dict([
        column(DISKS, 2, b"/", b"/srv"), column(DISKS, 3, b"/dev/sda1", b"/dev/sdb"),
        column(DISKS, 6, 1000, 2000), column(DISKS, 8, 10, 20),
    ]))  # fmt: skip
    samples, _ = shaped(answers, "disk.size.total", "disk.size.used")
    assert values(samples)["node1./dev/sdb", "disk.size.used"] == 20
    disk = samples["node1./dev/sda1", "hardware.disk.size.total"][1]
    assert disk.type == "host_disk"
    assert disk.metadata == {"resource_url": URL, "path": "/", "device": "/dev/sda1"}


def test_rows_of_one_name_are_told_apart_by_path_or_row() -> None:
    answers = Answers({}, dict([
        column(DISKS, 2, b"/run", b"/tmp", b"/"), column(DISKS, 3, b"tmpfs", b"tmpfs", b"/dev/sda"),
        column(DISKS, 6, 1, 2, 3),
    ]))  # fmt: skip
    assert {rid for rid, _ in values(shaped(answers, "disk.size.total")[0])} == {
        "node1.tmpfs./run", "node1.tmpfs./tmp", "node1./dev/sda",
    }  # fmt: skip
    same = nics(b"Virtual Adapter\x00", b"Virtual Adapter\x00", b"eth0")
    assert {rid for rid, _ in values(shaped(same, "network.incoming.bytes")[0])} == {
        "node1.Virtual Adapter.1", "node1.Virtual Adapter.2", "node1.eth0",
    }  # fmt: skip


def test_a_row_without_a_name_is_called_by_its_index() -> None:
    answers = Answers({}, {parse_oid(f"{INTERFACES}.10"): {(7,): 5, (4, 4294967295): 6}})
    assert values(shaped(answers, "network.incoming.bytes")[0]) == {
        ("node1.7", "network.incoming.bytes"): 5,
        ("node1.4.4294967295", "network.incoming.bytes"): 6,
    }


def test_an_index_of_128_parts_fits_into_an_id() -> None:
    long, other = tuple([4_000_000_000] * 117), tuple([4_000_000_000] * 116 + [1])
    answers = Answers({}, {parse_oid(f"{INTERFACES}.10"): {long: 5, other: 6}})
    samples, _ = shaped(answers, "network.incoming.bytes")
    assert len(samples) == 2
    assert all(len(rid) <= wire.MAX_NAME for rid, _ in samples)


def test_metadata_of_a_resource_are_those_of_all_its_meters() -> None:
    """Else each poll would open two revisions of it."""
    answers = nics(b"eth0", columns=dict([column(INTERFACES, 20, 1)]))
    samples, _ = shaped(answers, "network.incoming.bytes", "network.outgoing.errors")
    one, other = (resource for _, resource in samples.values())
    assert one is other


def test_a_bad_value_costs_no_other_and_is_counted() -> None:
    answers = nics(b"a", b"b", b"c")
    answers.columns[parse_oid(f"{INTERFACES}.10")] = {(1,): b"many", (2,): 5, (3,): b"many"}
    answers.columns[parse_oid(f"{INTERFACES}.5")] = {(2,): b"fast"}
    samples, shaping = shaped(answers, "network.incoming.bytes")
    assert values(samples) == {("node1.b", "network.incoming.bytes"): 5}
    assert "speed" not in samples["node1.b", "hardware.network.incoming.bytes"][1].metadata
    assert shaping.problems["hardware.network.incoming.bytes: 'many' is no int"] == 2
    assert len(shaping.problems) == 2


@pytest.mark.parametrize("value", [2**32 - 1, 0])
def test_a_counter_is_given_as_it_is(value: int) -> None:
    """That it began again is a question of its rate, not an error."""
    answers = nics(b"eth0", columns=dict([column(INTERFACES, 10, value)]))
    assert values(shaped(answers, "network.incoming.bytes")[0]) == {
        ("node1.eth0", "network.incoming.bytes"): value
    }


def test_each_object_and_column_is_asked_for_once_and_nothing_else() -> None:
    one = wanted(meters("memory.used", "memory.total", "cpu.util"))
    assert set(one.objects) == {
        MEMORY_TOTAL, parse_oid("1.3.6.1.4.1.2021.4.6.0"), parse_oid("1.3.6.1.4.1.2021.11.9.0"),
    }  # fmt: skip
    assert len(one.objects) == 3
    assert one.tables == ()
    other = wanted(meters("network.incoming.bytes", "network.outgoing.errors", "disk.size.used"))
    assert other.objects == ()
    by_table = {table[0][:-1]: {oid[-1] for oid in table} for table in other.tables}
    assert by_table == {
        parse_oid(INTERFACES): {2, 5, 6, 10, 20}, parse_oid(DISKS): {2, 3, 8}, ADDRESSES[:-1]: {2},
    }  # fmt: skip
