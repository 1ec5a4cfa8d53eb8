"""SNMP hosts: Debian's own agent, by version 2c and 3, and agents that behave oddly."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from meters import wire
from pollers.batch import BatchBuilder
from pollers.central.snmp.address import parse_address
from pollers.central.snmp.definition import SnmpMeter
from pollers.central.snmp.loading import load_snmp_meters
from pollers.central.snmp.oids import Oid
from pollers.central.snmp.source import EXTRA_MISSING, SnmpSource
from pollers.polls import run_poll
from tests.samples import samples_of, values_of
from tests.support.odd_snmp import Answer, odd_agent
from tests.support.polling import SLOT_US
from tests.support.snmpd import (
    LONG_NAME,
    NARROW,
    PASSWORD,
    PROGRAMS,
    SECRETS,
    USERS,
    Agent,
    snmpd,
)
from tests.support.threads import at_once

STOCK, _ = load_snmp_meters([])
#: A poll of a machine that is busy with other things.
PATIENCE_S = 60.0
LOAD, TOTAL, USED = "hardware.cpu.load.1min", "hardware.memory.total", "hardware.memory.used"
INCOMING = "hardware.network.incoming.bytes"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as running:
        yield running


def poll(
    url: str, *names: str, meters: Sequence[SnmpMeter] = (), deadline_s: float = PATIENCE_S,
    named: Sequence[str] = (),
) -> tuple[BatchBuilder, wire.PollReport, SnmpSource]:  # fmt: skip
    """Of the stock meters those named, or all; no secret may be in what is told of it."""
    chosen = list(meters) or [STOCK[name] for name in names] or list(STOCK.values())
    source = SnmpSource("hosts: here", parse_address(url), chosen, deadline_s, named)
    builder = BatchBuilder("test")
    with capture_logs() as logs:
        report = run_poll(source, builder, SLOT_US, 60)
    told = f"{report} {logs} {builder.rejects} {source.explanation} {list(samples_of(builder))}"
    assert not any(secret in told for secret in SECRETS)
    return builder, report, source


# --- a real agent ------------------------------------------------------------------------------
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


PROGRAM_METER = """\
metric:
  - name: program.status
    unit: "1"
    type: gauge
    snmp_inspector: {matching_type: type_prefix, oid: 1.3.6.1.4.1.8072.1.3.2.3.1.4, type: int}
"""


def test_a_long_table_with_an_index_of_128_parts_is_read_whole(
    agent: Agent, tmp_path: Path
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(PROGRAM_METER)
    meters, faults = load_snmp_meters([file], stock=False)
    assert not faults
    builder, report, source = poll(agent.url, meters=list(meters.values()))
    values = list(values_of(builder).values())
    assert report.outcome == "ok", report
    assert len(values) == PROGRAMS + 1
    assert sorted(set(values)) == [0, 1, 2]
    assert 1 < source.explanation.requests < 10
    ids = [rid for rid, _ in values_of(builder)]
    letter = f".{ord(LONG_NAME[0])}"
    (long,) = (rid for rid in ids if rid.count(letter) > 50)
    assert len(long) == wire.MAX_NAME


def test_several_hosts_are_polled_at_once(agent: Agent) -> None:
    urls = iter([agent.url, agent.v3("shaaes"), agent.url, agent.v3("md5des")] * 2)

    def one() -> tuple[str, float | None]:
        builder, report, _ = poll(next(urls), LOAD, INCOMING)
        return report.outcome, values_of(builder).get(("127.0.0.1", LOAD))

    assert at_once(8, one) == [("ok", 0.25)] * 8


# --- refusals ----------------------------------------------------------------------------------
def test_a_wrong_community_is_no_answer_and_one_sentence(agent: Agent) -> None:
    url = agent.url.replace("snmp://", "snmp://wrong-")
    builder, report, _ = poll(url, deadline_s=4)
    assert report.outcome == "error"
    assert builder.samples == 0
    (told,) = report.errors
    assert told.startswith(f"{agent.shown}: no answer to 3 requests of 1 s each: it is down,")
    assert told.endswith("or it does not know the community")


@pytest.mark.parametrize(
    ("user", "password", "options", "said"),
    [
        ("shaaes", "another-pw", None, "the password is wrong, or auth_proto is not the user's"),
        ("sha512only", PASSWORD, "?auth_proto=md5", "the password is wrong, or auth_proto is not"),
        ("nobody", PASSWORD, "", "the agent does not know the user"),
        ("shaaes", PASSWORD, "?auth_proto=sha", "authorizationError"),
        ("sha512only", PASSWORD, "?auth_proto=sha512&priv_proto=aes&priv_password=another-pw",
         "the user has no password of encryption there"),
        ("shaaes", PASSWORD, "?auth_proto=sha&priv_proto=aes&priv_password=another-pw",
         "priv_password is wrong|no answer to 3 requests"),
    ],
)  # fmt: skip
def test_a_wrong_login_of_version_3_is_told_in_words(
    agent: Agent, user: str, password: str, options: str | None, said: str
) -> None:
    url = agent.v3("shaaes", password).replace("shaaes", user) if options is None else (
        f"snmp://{user}:{password}@{agent.place}{options}"
    )  # fmt: skip
    builder, report, _ = poll(url, LOAD, deadline_s=8)
    assert (report.outcome, builder.samples) == ("error", 0), report
    (told,) = report.errors
    assert told.startswith(f"{agent.shown}: ")
    assert any(one in told for one in said.split("|")), told
    assert "another-pw" not in f"{report}"


def test_what_the_login_may_not_see_is_told_once(agent: Agent) -> None:
    _, report, _ = poll(f"snmp://{NARROW}@{agent.place}")
    assert report.outcome == "error"
    (told,) = report.errors
    assert told.startswith(f"{agent.shown}: the agent has nothing of what is asked, or does not")


def own_meter(folder: Path, oid: str) -> SnmpMeter:
    file = folder / "own.yaml"
    text = PROGRAM_METER.replace("type_prefix", "type_exact").replace("program.status", "own.meter")
    file.write_text(text.replace("1.3.6.1.4.1.8072.1.3.2.3.1.4", oid))
    meters, faults = load_snmp_meters([file], stock=False)
    assert not faults
    return meters["own.meter"]


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


# --- hosts that are away, or odd ---------------------------------------------------------------
def test_a_host_that_is_down_is_given_up_and_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        _, report, source = poll(f"snmp://reader:{PASSWORD}@{place}", deadline_s=2)
    (told,) = report.errors
    port = place.rpartition(":")[2]
    assert told == (
        f"snmp://{place}: no answer to 3 requests of 0.5 s each: it is down, or UDP port {port} "
        "is filtered"
    )
    assert source.explanation.requests == 1, "asking on is of no use"


def test_a_name_without_an_address_is_told() -> None:
    _, report, _ = poll("snmp://no-such-host.invalid", LOAD)
    (told,) = report.errors
    assert told.startswith("snmp://no-such-host.invalid: no-such-host.invalid has no address: ")


def with_objects(bulk: Any) -> Any:
    """An agent that answers to GET well, to GETBULK as `bulk` says."""

    def behave(is_bulk: bool, oids: list[Oid]) -> Answer | bytes | None:
        if is_bulk:
            return bulk(oids)  # type: ignore[no-any-return]
        return Answer([(oid, b"0.5") for oid in oids])

    return behave


def test_an_agent_that_goes_in_a_circle_costs_its_table_only() -> None:
    def circle(oids: list[Oid]) -> Answer:
        return Answer([((*oid[:10], 1), 5) for oid in oids])

    with odd_agent(with_objects(circle)) as odd:
        builder, report, _ = poll(odd.url, LOAD, INCOMING)
    assert (report.outcome, builder.samples) == ("partial", 1)
    assert report.errors[0].startswith(f"{odd.url}: table 1.3.6.1.2.1.2.2.1: the agent goes in a")


def test_an_agent_that_never_ends_is_left() -> None:
    def endless(oids: list[Oid]) -> Answer:
        first = oids[0]
        start = first[10] if len(first) > 10 else 0
        return Answer([((*first[:10], start + step), 5) for step in range(1, 40)])

    with odd_agent(with_objects(endless)) as odd:
        builder, report, _ = poll(odd.url, LOAD, INCOMING, deadline_s=5)
    assert (report.outcome, builder.samples) == ("partial", 1)
    assert any("given up after 5 s" in one or "more than 10000 rows" in one for one in report.errors)


def test_what_is_no_snmp_is_told() -> None:
    with odd_agent(lambda *_: b"HTTP/1.1 400 Bad Request\r\n\r\n") as odd:
        _, report, _ = poll(odd.url, LOAD, deadline_s=2)
    (told,) = report.errors
    assert told.startswith(f"{odd.url}: ")
    assert "can be read as SNMP" in told or "no answer to 3 requests" in told


def test_an_old_agent_that_refuses_all_for_one_object_is_asked_for_the_others() -> None:
    def refuse(is_bulk: bool, oids: list[Oid]) -> Answer:
        bad = STOCK[USED].column.oid
        if bad in oids:
            return Answer([(oid, 0) for oid in oids], status=2, index=oids.index(bad) + 1)
        return Answer([(oid, 7) for oid in oids])

    with odd_agent(refuse) as odd:
        builder, report, _ = poll(odd.url, LOAD, TOTAL, USED)
    assert values_of(builder) == {("127.0.0.1", LOAD): 7, ("127.0.0.1", TOTAL): 7}
    assert report.outcome == "ok"
    assert report.details["lacking"][0]["meters"] == [USED]


def test_an_agent_whose_messages_are_small_is_asked_for_less_at_once() -> None:
    def small(is_bulk: bool, oids: list[Oid]) -> Answer:
        if len(oids) > 2:
            return Answer([(oid, 0) for oid in oids], status=1)
        return Answer([(oid, 7) for oid in oids])

    exact = [name for name, one in STOCK.items() if not one.is_table]
    with odd_agent(small) as odd:
        builder, report, _ = poll(odd.url, *exact)
    assert report.outcome == "ok", report
    assert builder.samples == len(exact)


def test_a_host_that_falls_silent_in_the_middle_keeps_what_came() -> None:
    with odd_agent(with_objects(lambda _: None)) as odd:
        builder, report, _ = poll(odd.url, LOAD, INCOMING, deadline_s=2)
    assert (report.outcome, builder.samples) == ("partial", 1)
    assert "no answer to 3 requests" in report.errors[0]


def test_without_the_extra_the_source_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "pollers.central.snmp.session", raising=False)
    monkeypatch.setitem(sys.modules, "pysnmp", None)
    monkeypatch.setitem(sys.modules, "pysnmp.error", None)
    _, report, _ = poll("snmp://127.0.0.1:1", LOAD)
    assert report.errors == [f"snmp://127.0.0.1:1: {EXTRA_MISSING}"]
