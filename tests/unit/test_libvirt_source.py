"""The hypervisor source when domains come, go and change between two questions.

The hypervisor is scripted here, because a real one can't be made to lose a domain between two
given calls; the real one is in tests/integration/test_libvirt.py.
"""

from __future__ import annotations

from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from meters import wire
from pollers.batch import BatchBuilder
from pollers.compute import libvirt_source, mapping
from pollers.compute.aside import Aside
from pollers.compute.hypervisor import Hypervisor
from pollers.compute.libvirt_source import LibvirtSource
from pollers.compute.process import NoAnswerError
from pollers.compute.rows import DomainRow
from pollers.polls import Findings
from tests.libvirt_host import nova_metadata
from tests.samples import samples_of, values_of

XML = "<domain><name>{name}</name><uuid>{name}</uuid>{metadata}<vcpu>1</vcpu></domain>"
AT_US = 1_764_000_000_000_000


class ScriptedHypervisor:
    """Answers what the test put into `rows` and `texts`; counts what it was asked."""

    shown_uri = "test:///scripted"

    def __init__(self) -> None:
        self.aside = Aside()
        self.rows: list[DomainRow] = []
        self.texts: dict[str, str] = {}
        self.asked: list[list[str]] = []
        self.silent = False
        self.refused: dict[str, str] = {}

    def read(self) -> tuple[list[DomainRow], list[str]]:
        return list(self.rows), []

    def xml(self, uuids: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        self.asked.append(uuids)
        if self.silent:
            raise NoAnswerError("no answer before the deadline")
        texts = {
            uuid: self.texts[uuid]
            for uuid in uuids
            if uuid in self.texts and uuid not in self.refused
        }
        return texts, {uuid: self.refused[uuid] for uuid in uuids if uuid in self.refused}

    def add(self, name: str, runtime_id: int = 1, metadata: str = "", **stats: Any) -> None:
        self.rows = [row for row in self.rows if row.uuid != name]
        state = {"state.state": 1 if runtime_id >= 0 else 5, "state.reason": 1}
        self.rows.append(DomainRow(name, name, runtime_id, state | stats, AT_US))
        self.texts[name] = XML.format(name=name, metadata=metadata)


@pytest.fixture
def hypervisor() -> ScriptedHypervisor:
    return ScriptedHypervisor()


@pytest.fixture
def source(hypervisor: ScriptedHypervisor) -> LibvirtSource:
    return LibvirtSource(cast(Hypervisor, hypervisor), "cmp01", ("", ""))


def poll(source: LibvirtSource) -> tuple[dict[tuple[str, str], float], Findings]:
    builder = BatchBuilder("test")
    findings = source.poll(builder)
    return values_of(builder), findings


def test_a_domain_destroyed_between_its_numbers_and_its_xml_spoils_no_other(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    for name in ("a", "b", "c"):
        hypervisor.add(name)
    del hypervisor.texts["b"]
    values, findings = poll(source)
    assert set(values) == {("a", "power.state"), ("c", "power.state")}
    assert findings.problems == []


def test_a_domain_whose_xml_is_broken_is_named_and_the_others_are_metered(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    hypervisor.add("a")
    hypervisor.add("b")
    hypervisor.texts["a"] = "<domain>"
    values, findings = poll(source)
    assert set(values) == {("b", "power.state")}
    assert len(findings.problems) == 1
    assert findings.problems[0].startswith("a (a): domain XML: ")


def test_xml_is_read_once_a_boot(hypervisor: ScriptedHypervisor, source: LibvirtSource) -> None:
    hypervisor.add("a", runtime_id=1)
    poll(source)
    poll(source)
    assert hypervisor.asked == [["a"]]
    hypervisor.add("a", runtime_id=2)
    poll(source)
    assert hypervisor.asked == [["a"], ["a"]]


def test_xml_is_read_again_when_a_device_comes(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    hypervisor.add("a", **{"block.count": 1, "block.0.name": "vda", "block.0.rd.reqs": 1})
    poll(source)
    hypervisor.add(
        "a",
        **{"block.count": 2, "block.0.name": "vda", "block.1.name": "vdb", "block.0.rd.reqs": 1},
    )
    poll(source)
    assert hypervisor.asked == [["a"], ["a"]]


def test_xml_is_read_again_after_a_while_for_metadata_that_changed(
    hypervisor: ScriptedHypervisor, source: LibvirtSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    hypervisor.add("a", metadata=nova_metadata("p1", "u1", name="old"))
    poll(source)
    hypervisor.add("a", metadata=nova_metadata("p1", "u1", name="new"))
    poll(source)
    assert len(hypervisor.asked) == 1
    monkeypatch.setattr(libvirt_source, "REFRESH_S", 0.0)
    builder = BatchBuilder("test")
    source.poll(builder)
    resource = samples_of(builder)["a", "power.state"].resource
    assert resource.metadata["display_name"] == "new"


def test_when_xml_does_not_come_known_domains_are_metered_with_what_is_known(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    hypervisor.add("a", runtime_id=1)
    poll(source)
    hypervisor.add("a", runtime_id=2)
    hypervisor.add("b")
    hypervisor.silent = True
    values, findings = poll(source)
    assert set(values) == {("a", "power.state")}
    assert findings.problems == [
        "XML of 2 domains could not be read: no answer before the deadline"
    ]


def test_the_source_of_cpu_is_chosen_once_a_boot(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    vcpu = {"vcpu.current": 1, "vcpu.maximum": 1, "vcpu.0.time": 90, "vcpu.0.wait": 1}
    hypervisor.add("a", runtime_id=1, **{"cpu.time": 500})
    assert poll(source)[0]["a", "cpu"] == 500
    hypervisor.add("a", runtime_id=1, **{"cpu.time": 600, **vcpu})
    assert poll(source)[0]["a", "cpu"] == 600
    hypervisor.add("a", runtime_id=2, **{"cpu.time": 700, **vcpu})
    assert poll(source)[0]["a", "cpu"] == 91


def test_a_domain_without_owner_is_logged_once_a_boot(
    hypervisor: ScriptedHypervisor, source: LibvirtSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirt_source, "REFRESH_S", 0.0)
    hypervisor.add("a", runtime_id=1)
    hypervisor.add("b", metadata=nova_metadata("p1", "u1"))
    with capture_logs() as logs:
        poll(source)
        poll(source)
        hypervisor.add("a", runtime_id=2)
        poll(source)
    told = [entry["domain"] for entry in logs if entry["event"].startswith("domain names no owner")]
    assert told == ["a (a)", "a (a)"]


def test_running_paused_and_shut_off_domains_all_tell_their_state(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    hypervisor.add("a")
    hypervisor.add("b", **{"state.state": 3})
    hypervisor.add("c", runtime_id=-1, **{"cpu.time": 1740000000})
    values, findings = poll(source)
    assert values == {("a", "power.state"): 1, ("b", "power.state"): 3, ("c", "power.state"): 5}
    assert findings.details.pop("lacking") == [
        {
            "why": mapping.NO_BALLOON,
            "meters": ["memory.usage"],
            "count": 2,
            "resources": ["a", "b"],
        },
        {"why": mapping.SHUT_OFF, "meters": [], "count": 1, "resources": ["c"]},
    ]
    assert findings.details == {"domains": 3, "active": 2, "migrated_away": 0, "set_aside": 0}


def test_sizes_of_a_domain_that_is_off_are_told_where_that_is_set(
    hypervisor: ScriptedHypervisor,
) -> None:
    source = LibvirtSource(cast(Hypervisor, hypervisor), "cmp01", ("", ""), report_stopped=True)
    disk = {
        "block.count": 1, "block.0.name": "vda", "block.0.path": "/d.raw",
        "block.0.capacity": 8_388_608, "block.0.allocation": 1_052_672,
        "block.0.physical": 8_388_608,
    }  # fmt: skip
    stale = {"cpu.time": 1740000000, "vcpu.current": 2, "balloon.maximum": 65536}
    off = {**disk, **stale, "balloon.current": 1024}
    hypervisor.add("a", runtime_id=-1, **off)
    hypervisor.texts["a"] = XML.format(
        name="a",
        metadata="<devices><disk type='file'><driver type='raw'/><source file='/d.raw'/>"
        "<target dev='vda'/></disk></devices>",
    )
    hypervisor.add("b", runtime_id=-1, **off, **{"state.reason": 4})
    assert poll(source)[0] == {
        ("a", "power.state"): 5,
        ("a", "vcpus"): 2,
        ("a", "memory"): 64,
        ("a-vda", "disk.device.capacity"): 8_388_608,
        ("a-vda", "disk.device.allocation"): 1_052_672,
        ("a-vda", "disk.device.usage"): 8_388_608,
    }


# --- what happens between two polls --------------------------------------------------------------


def with_nic(name: str, mac: str = "fa:16:3e:00:00:01", tap: str = "tap1") -> str:
    nic = f"<interface><mac address='{mac}'/><target dev='{tap}'/></interface>"
    return XML.format(name=name, metadata=f"<devices>{nic}</devices>")


def nic_stats(received: int, tap: str = "tap1") -> dict[str, Any]:
    return {"net.count": 1, "net.0.name": tap, "net.0.rx.bytes": received, "net.0.tx.bytes": 0}


def incoming(source: LibvirtSource) -> tuple[float, str]:
    """(growth, MAC) of the only NIC that a poll finds."""
    builder = BatchBuilder("test")
    source.poll(builder)
    (sample,) = [
        sample
        for (_, meter), sample in samples_of(builder).items()
        if meter == "network.incoming.bytes.delta"
    ]
    assert (sample.series.type, sample.series.unit) == ("delta", "B")
    return sample.value, sample.resource.metadata["mac"]


def test_deltas_are_the_growth_since_the_last_poll_and_begin_anew_with_the_counter(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    growth = []
    for received in (500, 700, 700, 30, 40):
        hypervisor.add("a", **nic_stats(received))
        hypervisor.texts["a"] = with_nic("a")
        growth.append(incoming(source)[0])
    assert growth == [0, 200, 0, 30, 10]


def test_a_delta_that_nobody_wants_now_is_not_lost_for_the_next_that_is_wanted(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    for received, wanted in ((500, True), (700, False), (900, True)):
        hypervisor.add("a", **nic_stats(received))
        hypervisor.texts["a"] = with_nic("a")
        builder = BatchBuilder("test", None if wanted else lambda meter: "delta" not in meter)
        source.poll(builder)
    assert values_of(builder)["a-a-tap1", "network.incoming.bytes.delta"] == 400


def test_a_tap_that_another_guest_has_now_brings_it_no_traffic_of_the_last_one(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    hypervisor.add("a", **nic_stats(500))
    hypervisor.texts["a"] = with_nic("a", "fa:16:3e:00:00:0a")
    incoming(source)
    hypervisor.rows = []
    hypervisor.add("b", **nic_stats(900))
    hypervisor.texts["b"] = with_nic("b", "fa:16:3e:00:00:0b")
    assert incoming(source) == (0, "fa:16:3e:00:00:0b")


def test_a_nic_that_was_replaced_under_the_same_tap_name_is_seen_by_its_counter(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    hypervisor.add("a", **nic_stats(500))
    hypervisor.texts["a"] = with_nic("a", "fa:16:3e:00:00:01")
    incoming(source)
    hypervisor.add("a", **nic_stats(20))
    hypervisor.texts["a"] = with_nic("a", "fa:16:3e:00:00:02")
    assert incoming(source) == (0, "fa:16:3e:00:00:02")
    assert len(hypervisor.asked) == 2


def test_a_disk_that_was_replaced_under_the_same_name_is_seen_by_its_path(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    for path in ("/old", "/old", "/new"):
        disk = {"block.count": 1, "block.0.name": "vda", "block.0.path": path}
        hypervisor.add("a", **disk)
        poll(source)
    assert len(hypervisor.asked) == 2


def test_a_renamed_domain_is_read_again(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    hypervisor.add("a", runtime_id=-1)
    poll(source)
    hypervisor.rows = [row._replace(name="b") for row in hypervisor.rows]
    poll(source)
    assert len(hypervisor.asked) == 2


def test_a_domain_held_by_a_job_is_no_changed_one(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    disk = {"block.count": 1, "block.0.name": "vda"}
    for told in ({"block.0.rd.reqs": 9}, {}, {"block.0.rd.reqs": 9}, {"block.0.rd.reqs": 2}):
        hypervisor.add("a", **disk, **told)
        poll(source)
    assert len(hypervisor.asked) == 2, "only the counter that fell asks for the XML"


def test_a_domain_whose_xml_is_refused_is_named_and_keeps_what_was_known(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    hypervisor.add("a", runtime_id=1)
    hypervisor.add("b", runtime_id=1)
    poll(source)
    hypervisor.add("a", runtime_id=2)
    hypervisor.add("b", runtime_id=2)
    hypervisor.refused["a"] = "no such thing"
    values, findings = poll(source)
    assert set(values) == {("a", "power.state"), ("b", "power.state")}
    assert findings.problems == ["a (a): XML could not be read: no such thing"]


def test_what_a_migration_left_behind_does_not_say_that_the_guest_is_off(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    hypervisor.add("a", runtime_id=-1, **{"state.reason": 4})
    hypervisor.add("b", runtime_id=-1, **{"state.reason": 1})
    values, findings = poll(source)
    assert values == {("b", "power.state"): 5}
    assert findings.details["migrated_away"] == 1


def test_old_xml_is_read_again_a_part_at_a_time_the_oldest_first(
    hypervisor: ScriptedHypervisor, source: LibvirtSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        hypervisor.add(f"d{number}")
    poll(source)
    monkeypatch.setattr(libvirt_source, "REFRESH_S", 0.0)
    hypervisor.asked.clear()
    for _ in range(200 // libvirt_source.REFRESH_AT_ONCE):
        poll(source)
    assert {len(uuids) for uuids in hypervisor.asked} == {libvirt_source.REFRESH_AT_ONCE}
    assert len({uuid for uuids in hypervisor.asked for uuid in uuids}) == 200


def test_a_domain_that_lacks_nothing_is_not_named(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    told = {"balloon.available": 2048, "balloon.usable": 1024}
    hypervisor.add("a", **told)
    assert "lacking" not in poll(source)[1].details
    hypervisor.add("b", **{"state.state": 3, "state.reason": 2}, **told)
    (missing,) = poll(source)[1].details["lacking"]
    assert (missing["why"], missing["resources"]) == (mapping.MIGRATING, ["b"])


def test_nothing_is_remembered_of_domains_that_are_gone(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    for number in range(50):
        hypervisor.rows = []
        hypervisor.add(f"d{number}", **nic_stats(5))
        hypervisor.texts[f"d{number}"] = with_nic(f"d{number}")
        poll(source)
    assert len(source._known) == len(source._cpu_sources) == len(source._without_owner) == 1
    assert len(source._deltas) == 1


def test_a_thousand_domains_are_one_reading_and_batches_within_the_limits(
    hypervisor: ScriptedHypervisor, source: LibvirtSource
) -> None:
    for number in range(1000):
        name = f"d{number}"
        hypervisor.add(name, **nic_stats(5), **{"cpu.time": 1, "balloon.current": 1024})
        hypervisor.texts[name] = XML.format(
            name=name,
            metadata=nova_metadata("p1", "u1")
            + "<devices><interface><mac address='fa:16:3e:00:00:01'/>"
            "<target dev='tap1'/></interface></devices>",
        )
    builder = BatchBuilder("test")
    findings = source.poll(builder)
    assert findings.problems == []
    assert [len(uuids) for uuids in hypervisor.asked] == [500, 500]
    batches = builder.batches()
    assert sum(batch.samples is not None for batch in batches) == len(batches) > 1
    assert all(len(wire.encode(batch)) < wire.MAX_BATCH_BYTES for batch in batches)
    assert len({resource for resource, _ in values_of(builder)}) == 2000
