"""Why there is no data: from facts to findings, a row of the table a situation."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meters.models import Source
from meters.why.answer import explain
from meters.why.facts import (
    Dropped,
    Facts,
    Operations,
    Refused,
    ResourceFact,
    Selection,
    SeriesFact,
    SourceFact,
)
from meters.why.findings import Weight
from meters.why.ties import Asked, tied, unknown_names

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
ONE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


VM = ResourceFact(ONE, "vm-1", "web", "instance", ago(86_400), newest=ago(5), state=1.0)
OLD = SeriesFact(ONE, ago(86_400), newest=ago(7200), step_s=10.0)
POLLED = SourceFact(
    1, "compute", "qemu:///system", "compute.h1", "it polls h1", True, 10.0, ago(5), ago(4.9), "ok",
    0.1, 40, selection=Selection(frozenset(["cpu"])),
)  # fmt: skip
FINE = Operations(sources=[POLLED], waiting=0, reports=360, expected=360)
#: `cpu` of vm-1 has had no sample for two hours, and nothing says why.
FACTS = Facts(NOW, "vm-1", "cpu", VM, OLD, meter_on=9, operations=FINE)


def operated(**fields: Any) -> dict[str, Any]:
    return {"operations": replace(FINE, **fields)}


def source(**fields: Any) -> dict[str, Any]:
    return operated(sources=[replace(POLLED, **fields)])


SILENT = {"silent": timedelta(minutes=5)}
REFUSED = Refused("time too far in the future", 3, ago(60), "samples.timestamp[0]", 7)
DROPPED = Dropped(ago(600), "compute.h1", 4000, "size", ago(7200), ago(3600))
#: What differs from `FACTS` → the first finding's code, its weight, a piece of its words.
TABLE: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "data": ({"series": replace(OLD, newest=ago(8))}, "has_data", "fine", "8 s ago"),
    "no resource": ({"resource": None, "series": None}, "unknown_resource", "cause", "'vm-1'"),
    "moved": (
        {"resource": None, "series": None, "taken_away": ago(3600)}, "other_owner", "cause",
        "another project",
    ),
    "ended": ({"resource": replace(VM, ended_at=ago(7000))}, "ended", "cause", "has ended"),
    "shut off": ({"resource": replace(VM, state=5.0)}, "shut_off", "cause", "shut off"),
    "on a disk": (
        {"series": None, "relatives": [("vm-1-vda", "instance_disk", OTHER)]}, "other_resource",
        "cause", "on parts of this resource",
    ),
    "unknown meter": (
        {"series": None, "meter_on": 0, "meter_asked": "cpux", "similar": ["cpu"]},
        "unknown_meter", "cause", "'cpux'",
    ),
    "filtered": (
        source(selection=Selection(left_out=frozenset(["cpu"]), rules=["p.yaml:3: source 'a'"])),
        "left_out", "cause", "does not select cpu",
    ),
    "silent": (source(**SILENT), "silent", "cause", "nothing for 5 min"),
    "refused by libvirt": (
        source(outcome="error", errors=["libvirt: refused"]), "error", "cause", "libvirt: refused"
    ),
    "its own error": (
        source(outcome="partial", errors=["web (vm-1): busy"]), "error", "cause", "busy"
    ),
    "another's error": (
        source(outcome="partial", errors=["vm-2: busy"]), "stopped", "clue", "since"
    ),
    "balloon": (source(lacks="no balloon driver"), "lacking", "cause", "no balloon driver"),
    "quarantined": (operated(refused=[REFUSED]), "quarantined", "cause", "in the future"),
    "dropped": (operated(dropped=[DROPPED]), "dropped", "cause", "4000 items"),
    "dropped elsewhere": (
        operated(dropped=[replace(DROPPED, agent_id="compute.h2")]), "stopped", "clue", "since"
    ),
    "late": (source(last_received=NOW, last_poll=ago(900)), "late", "cause", "15 min"),
    "backlog": (
        operated(waiting=900, sources=[replace(POLLED, **SILENT)]), "backlog", "cause",
        "900 batches",
    ),
    "backlog, but reports come": (operated(waiting=900), "stopped", "clue", "since"),
    "broker": (
        operated(
            waiting=None, broker_away=timedelta(minutes=3), sources=[replace(POLLED, **SILENT)]
        ),
        "broker_away", "cause", "broker does not answer",
    ),
    "clock far ahead": (
        source(last_poll=NOW + timedelta(seconds=900)), "clock", "cause", "is 15 min ahead"
    ),
    "clock a little ahead": (
        source(last_poll=NOW + timedelta(seconds=20)), "stopped", "clue", "since"
    ),
    "nobody": (operated(sources=[]), "no_source", "cause", "No source"),
    "posted": (
        {"resource": replace(VM, sender="p1"), **operated(sources=[])}, "stopped", "clue", "since"
    ),
    "stopped": ({}, "stopped", "clue", "while other meters of the resource go on"),
    "all stopped": (
        {"resource": replace(VM, newest=ago(7200))}, "stopped", "clue", "nor did any other meter"
    ),
    "never": ({"series": None}, "never_measured", "clue", "no sample of cpu has ever come"),
    "empty": ({"series": replace(OLD, newest=None)}, "no_samples", "clue", "has no sample"),
    "a tenant": ({"operations": None}, "stopped", "clue", "since"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "code", "weight", "words"), TABLE.values(), ids=TABLE)
def test_the_first_finding_is_the_answer(
    changes: dict[str, Any], code: str, weight: str, words: str
) -> None:
    answer = explain(replace(FACTS, **changes))
    first = answer.findings[0]
    assert (first.code, str(first.weight)) == (code, weight)
    assert words in answer.headline
    weights = [[*Weight].index(finding.weight) for finding in answer.findings]
    assert weights[not answer.has_data :] == sorted(weights[not answer.has_data :])


def test_every_question_is_answered_where_all_is_in_order() -> None:
    fresh = explain(replace(FACTS, series=replace(OLD, newest=ago(8))))
    assert [finding.code for finding in fresh.findings] == [
        "has_data", "discovered", "kept", "polled", "selected", "nothing_lost", "on_time",
    ]  # fmt: skip
    assert fresh.has_data
    assert {finding.weight for finding in fresh.findings} == {Weight.FINE}


def test_a_meter_that_nobody_knows_is_one_cause_not_two() -> None:
    changes = {"series": None, "meter_on": 0, "meter_asked": "cpux", **operated(sources=[])}
    causes = [one for one in explain(replace(FACTS, **changes)).findings if one.weight == "cause"]
    assert [one.code for one in causes] == ["unknown_meter"]


def test_an_error_says_when_it_was_polled_and_when_that_went_well() -> None:
    failing = source(outcome="error", errors=["away"], last_success=ago(3600))
    said = explain(replace(FACTS, **failing)).findings[0].evidence
    assert said[0].startswith(
        "compute qemu:///system (agent compute.h1), last 2026-11-27 02:59:55 UTC (5 s ago): error"
    )
    assert said[1] == "last success 2026-11-27 02:00:00 UTC (60 min ago)"


def test_with_data_at_hand_there_are_no_causes() -> None:
    changes = {"series": replace(OLD, newest=ago(8)), **source(outcome="error", errors=["away"])}
    answer = explain(replace(FACTS, **changes))
    assert answer.headline.startswith("There is data")
    assert [str(one.weight) for one in answer.findings if one.code == "error"] == ["clue"]


def test_one_of_many_sources_that_could_have_measured_it_proves_nothing() -> None:
    unsure = replace(POLLED, is_sure=False, silent=timedelta(hours=1))
    answer = explain(replace(FACTS, **operated(sources=[unsure], others=40)))
    assert {str(one.weight) for one in answer.findings if one.code == "silent"} == {"clue"}
    assert any("40 more sources" in one.verdict for one in answer.findings)


@pytest.mark.parametrize(
    ("step", "age", "fresh"),
    [(10, 75, True), (10, 90, False), (3600, 7000, True), (3600, 7400, False)],
)
def test_what_is_missing_depends_on_the_rhythm(step: float, age: float, fresh: bool) -> None:
    series = replace(OLD, step_s=step, newest=ago(age))
    assert explain(replace(FACTS, series=series)).has_data is fresh


def test_a_clock_that_is_a_little_ahead_is_a_clue() -> None:
    changes = source(last_poll=NOW + timedelta(seconds=20), last_received=NOW)
    (clock,) = [one for one in explain(replace(FACTS, **changes)).findings if one.code == "clock"]
    assert clock.weight is Weight.CLUE
    assert clock.verdict == "The clock of agent compute.h1 is 20 s ahead."


def test_a_tenant_is_told_nothing_of_the_installation() -> None:
    answer = explain(replace(FACTS, operations=None))
    told = " ".join(f"{one.verdict} {one.evidence} {one.command}" for one in answer.findings)
    assert "compute.h1" not in told
    assert "quarantine" not in told
    assert {one.source for one in answer.findings} == {None}
    assert "ask_operator" in {one.code for one in answer.findings}


def test_retention_is_that_of_the_policy_else_the_clocks() -> None:
    policy = replace(OLD, policy="low", kept_s=86_400.0, granularities_s=[300.0])
    (kept,) = [one for one in explain(replace(FACTS, series=policy)).findings if one.code == "kept"]
    assert kept.verdict == "Kept: for 1 d, counted from the newest sample (archive policy low)."
    assert kept.evidence == ("the metric API answers it at 5 min",)
    plain = explain(replace(FACTS, retention=timedelta(days=30)))
    assert "Kept: for 30 d (TELEMETRY_RETENTION_DAYS)." in {one.verdict for one in plain.findings}


# --- which source is meant -------------------------------------------------------------------


def row(pk: int, **fields: Any) -> Source:
    known: dict[str, Any] = {
        "kind": "compute", "name": f"qemu+tcp://h{pk}", "agent_id": f"compute.h{pk}",
        "interval_s": 10, "last_slot": NOW, "last_poll": NOW, "last_received": NOW, "outcome": "ok",
        "details": {"selection": {"meters": ["cpu", "memory.usage"]}},
    }  # fmt: skip
    return Source(pk=pk, **{**known, **fields})


ASKED = Asked("cpu", "vm-1", "instance", {"instance_host": "h2"})


def test_the_agent_of_the_resources_host_is_meant() -> None:
    (found,), others = tied([row(1), row(2), row(3)], ASKED, NOW)
    assert (found.pk, found.is_sure, others) == (2, True, 0)
    found_here, _ = tied([row(1), row(2, details={"selection": {"meters": ["x"]}})], ASKED, NOW)
    assert [(one.pk, one.is_sure) for one in found_here] == [(1, False)]


def test_a_report_that_names_the_resource_is_meant() -> None:
    named = row(1, outcome="partial", errors=["vm-2: gone", "web (vm-1): busy"])
    (found,), _ = tied([named, row(3)], ASKED, NOW)
    assert (found.errors, found.others) == (["web (vm-1): busy"], 1)
    lacking = {"lacking": [{"why": "shut off", "meters": [], "resources": ["vm-1"]}]}
    (found,), _ = tied([row(1, details=lacking), row(3)], ASKED, NOW)
    assert found.lacks == "shut off"


def test_an_endpoint_is_meant_by_its_address() -> None:
    asked = Asked("up", "http://h:1/metrics", "prometheus", {"endpoint": "http://h:1/metrics"})
    rows = [row(1), row(2, kind="prometheus", name="http://h:1/metrics", details={})]
    (found,), _ = tied(rows, asked, NOW)
    assert (found.pk, found.is_sure) == (2, True)


def test_an_snmp_host_is_meant_by_its_address_whatever_part_of_the_file_names_it() -> None:
    asked = Asked("cpu", "node1.eth0", "host_network_interface", {"resource_url": "snmp://node1"})
    other = row(2, kind="snmp", name="hosts: snmp://node2", details={})
    rows = [row(1), other, row(3, kind="snmp", name="hosts: snmp://node1", details={})]
    (found,), _ = tied(rows, asked, NOW)
    assert (found.pk, found.is_sure) == (3, True)


def test_the_only_source_is_meant_where_no_other_host_is_named() -> None:
    (found,), _ = tied([row(1)], Asked("cpu", "vm-9"), NOW)
    assert (found.is_sure, found.why) == (True, "it is the only source that measures this meter")
    (found,), _ = tied([row(1)], ASKED, NOW)
    assert not found.is_sure


def test_of_many_that_could_be_meant_the_worst_are_shown() -> None:
    rows = [row(pk) for pk in range(1, 20)] + [row(99, outcome="error", errors=["away"])]
    found, others = tied(rows, Asked("cpu", "vm-9"), NOW)
    assert (found[0].pk, len(found), others) == (99, 5, 15)
    assert not any(one.is_sure for one in found)


def test_what_nobody_polls_may_come_from_a_bus() -> None:
    bus = row(5, kind="notification", name="nova", details={"waiting": {"info": 3}})
    (found,), _ = tied([row(1), bus], Asked("image.size", "i-1"), NOW)
    assert found.pk == 5


@pytest.mark.parametrize(
    "details",
    [[], {"selection": []}, {"selection": {"meters": "cpu", "left_out": [1, None]}},
     {"lacking": {"why": 1}}, {"lacking": ["x", {"resources": 3}]}],
)  # fmt: skip
def test_details_of_any_shape_are_read(details: Any) -> None:
    tied([row(2, details=details, errors=[3, None])], ASKED, NOW)
    assert unknown_names([row(2, details=details)], "cpu") == []


def test_a_name_that_no_pollster_has_is_found_in_any_report() -> None:
    said = "polling.yaml:4: source 'a': no pollster is cpux"
    rows = [row(1), row(2, details={"selection": {"unknown": [said]}})]
    assert unknown_names(rows, "cpux") == [said]
    assert unknown_names(rows, "cpu") == []
