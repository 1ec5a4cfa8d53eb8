"""Hosts by SNMP: what Debian's agent tells of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from meters import wire
from pollers.batch import BatchBuilder
from pollers.polls import run_poll
from tests.samples import samples_of, values_of
from tests.support.polling import SLOT_US
from tests.support.snmp import INCOMING, LOAD, STOCK, TOTAL, USED, own_meter, poll, source_of
from tests.support.snmpd import LONG_NAME, PROGRAMS, USERS, Agent
from tests.support.threads import at_once


def test_a_host_is_polled_by_its_community(agent: Agent) -> None:
    builder, report, source = poll(agent.url)
    values, samples = values_of(builder), samples_of(builder)

    assert (report.kind, report.source, report.outcome) == ("snmp", "hosts: here", "ok"), report
    host = "127.0.0.1"
    assert values[host, LOAD] == 0.25
    assert values[host, TOTAL] == 2048
    assert values[host, USED] == 1548, "the total less what is available"
    resource = samples[host, LOAD].resource
    assert resource == wire.Resource(
        host, None, None, "host", {"resource_url": agent.shown}, "hardware"
    )
    assert samples[host, LOAD].at_us == SLOT_US
    series = samples[host, LOAD].series
    assert (series.unit, series.type) == ("process", "gauge")
    with_nothing = {name for one in report.details.get("lacking", []) for name in one["meters"]}
    assert {meter for _, meter in values} == STOCK.keys() - with_nothing
    assert report.details["requests"] == source.explanation.requests < 20


def test_interfaces_and_disks_are_resources_of_their_own(agent: Agent) -> None:
    builder, _, _ = poll(agent.url)
    samples = samples_of(builder)
    lo = samples["127.0.0.1.lo", INCOMING]
    assert (lo.resource.type, lo.series.type, lo.series.unit) == (
        "host_network_interface", "cumulative", "B",
    )  # fmt: skip
    assert lo.value > 0
    metadata = lo.resource.metadata
    assert metadata["name"] == "lo"
    assert metadata["ip"] == "127.0.0.1"
    assert metadata["resource_url"] == agent.shown
    assert isinstance(metadata["speed"], int)
    disks = [one.resource for one in samples.values() if one.resource.type == "host_disk"]
    for disk in disks:
        assert disk.id == f"127.0.0.1.{disk.metadata['device']}"
        assert disk.metadata["path"] == "/"


@pytest.mark.parametrize("user", USERS)
def test_a_host_is_polled_by_version_3(agent: Agent, user: str) -> None:
    builder, report, _ = poll(agent.v3(user), LOAD, INCOMING)
    assert report.outcome == "ok", report
    assert values_of(builder)["127.0.0.1", LOAD] == 0.25
    assert ("127.0.0.1.lo", INCOMING) in values_of(builder)


def test_a_long_table_with_an_index_of_128_parts_is_read_whole(
    agent: Agent, tmp_path: Path
) -> None:
    meter = own_meter(tmp_path, "1.3.6.1.4.1.8072.1.3.2.3.1.4", "type_prefix")
    builder, report, source = poll(agent.url, meters=[meter])
    values = list(values_of(builder).values())
    assert report.outcome == "ok", report
    assert len(values) == PROGRAMS + 1
    assert sorted(set(values)) == [0, 1, 2]
    assert 1 < source.explanation.requests < 10
    ids = [rid for rid, _ in values_of(builder)]
    letter = f".{ord(LONG_NAME[0])}"
    (long,) = (rid for rid in ids if rid.count(letter) > 50)
    assert len(long) == wire.MAX_NAME


def test_a_number_with_a_fraction_comes_out_of_its_wrapping(agent: Agent, tmp_path: Path) -> None:
    """Net-SNMP's `laLoadFloat`, which the standard has no type for."""
    load = own_meter(tmp_path, "1.3.6.1.4.1.2021.10.1.6.3", type="float")
    as_text = STOCK["hardware.cpu.load.15min"]
    builder, report, _ = poll(agent.url, meters=[load, as_text])
    assert report.outcome == "ok", report
    values = values_of(builder)
    assert values["127.0.0.1", "own.meter"] == pytest.approx(
        values["127.0.0.1", as_text.name], abs=1.0
    )


def test_several_hosts_are_polled_at_once(agent: Agent) -> None:
    urls = iter([agent.url, agent.v3("shaaes"), agent.url, agent.v3("md5des")])

    def one() -> tuple[str, float | None]:
        builder = BatchBuilder("test")
        report = run_poll(source_of(next(urls), LOAD, INCOMING), builder, SLOT_US, 60)
        return report.outcome, values_of(builder).get(("127.0.0.1", LOAD))

    assert at_once(4, one) == [("ok", 0.25)] * 4


def test_an_object_that_is_not_there_is_a_problem_only_where_it_was_asked_for_by_name(
    agent: Agent, tmp_path: Path
) -> None:
    missing = own_meter(tmp_path, "1.3.6.1.4.1.99999.1.0")
    both = [STOCK[LOAD], missing]
    builder, report, _ = poll(agent.url, meters=both, named=["own.meter"])
    assert (report.outcome, builder.samples) == ("partial", 1)
    assert report.errors == [
        f"{agent.shown}: the agent does not have own.meter (1.3.6.1.4.1.99999.1.0)"
    ]
    builder, report, _ = poll(agent.url, meters=both)
    assert (report.outcome, builder.samples) == ("ok", 1)
    (lacking,) = report.details["lacking"]
    assert (lacking["meters"], lacking["resources"]) == (["own.meter"], ["127.0.0.1"])


def test_a_value_of_another_type_is_told_and_costs_no_other(agent: Agent, tmp_path: Path) -> None:
    text = own_meter(tmp_path, "1.3.6.1.2.1.1.1.0")  # sysDescr
    builder, report, _ = poll(agent.url, meters=[STOCK[LOAD], text])
    assert (report.outcome, builder.samples) == ("partial", 1)
    (told,) = report.errors
    assert told.startswith(f"{agent.shown}: own.meter: 'Linux ")
    assert told.endswith("is no int")
