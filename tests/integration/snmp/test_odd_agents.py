"""Hosts that are away, and SNMP agents that answer wrongly or never to the end."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from pollers.central.snmp.oids import Oid
from pollers.central.snmp.source import EXTRA_MISSING
from tests.samples import values_of
from tests.support.odd_snmp import Answer, odd_agent
from tests.support.snmp import INCOMING, LOAD, STOCK, TOTAL, USED, poll
from tests.support.snmpd import PASSWORD


def test_a_host_that_is_down_is_given_up_and_told(impatient: None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        _, report, source = poll(f"snmp://reader:{PASSWORD}@{place}")
    (told,) = report.errors
    port = place.rpartition(":")[2]
    assert told == (
        f"snmp://{place}: no answer to 3 requests of 1 s each: it is down, or UDP port {port} "
        "is filtered"
    )
    assert source.explanation.requests == 3, "asking on is of no use"


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
    assert any(
        "given up after 5 s" in one or "more than 10000 rows" in one for one in report.errors
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x30\x0a\x02\x01\x01\x04\x03abc\xa2\x7f", "none of 3 answers can be read as SNMP"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no answer to 3 requests of 1 s each: it is down,"),
    ],
)
def test_what_is_no_snmp_is_told(impatient: None, answer: bytes, said: str) -> None:
    with odd_agent(lambda *_: answer) as odd:
        _, report, _ = poll(odd.url, LOAD)
    (told,) = report.errors
    assert told.startswith(f"{odd.url}: {said}")


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


def test_a_host_that_falls_silent_in_the_middle_keeps_what_came(impatient: None) -> None:
    with odd_agent(with_objects(lambda _: None)) as odd:
        builder, report, _ = poll(odd.url, LOAD, INCOMING)
    assert (report.outcome, builder.samples) == ("partial", 1)
    assert "no answer to 3 requests" in report.errors[0]


def test_without_the_extra_the_source_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("session", "callers"):
        monkeypatch.delitem(sys.modules, f"pollers.central.snmp.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "pysnmp.error", None)
    _, report, _ = poll("snmp://127.0.0.1:1", LOAD)
    assert report.errors == [f"snmp://127.0.0.1:1: {EXTRA_MISSING}"]
