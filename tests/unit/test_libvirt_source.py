"""The hypervisor source when domains come, go and change between two questions.

The hypervisor is scripted here, because a real one can't be made to lose a domain between two
given calls; the real one is in tests/integration/test_libvirt.py.
"""

from __future__ import annotations

from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from pollers.batch import BatchBuilder
from pollers.compute import libvirt_source, mapping
from pollers.compute.aside import Aside
from pollers.compute.hypervisor import Hypervisor, NoAnswerError
from pollers.compute.libvirt_source import LibvirtSource
from pollers.compute.mapping import DomainRow
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

    def read(self) -> tuple[list[DomainRow], list[str]]:
        return list(self.rows), []

    def xml(self, uuids: list[str]) -> dict[str, str]:
        self.asked.append(uuids)
        if self.silent:
            raise NoAnswerError("no answer before the deadline")
        return {uuid: self.texts[uuid] for uuid in uuids if uuid in self.texts}

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


def test_xml_is_read_again_after_an_hour_for_a_rename(
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
    assert findings.details == {"domains": 3, "active": 2, "set_aside": 0}


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
        hypervisor.add(f"d{number}")
        poll(source)
    assert len(source._known) == len(source._cpu_sources) == len(source._without_owner) == 1
