from __future__ import annotations

from datetime import UTC, datetime, timedelta

from meters.models import Source
from meters.ui.backlog import Backlog
from meters.ui.bodies import as_text
from meters.ui.health import State, judge, judge_all, problems

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def source(age_s: float = 3, **fields: object) -> Source:
    moment = NOW - timedelta(seconds=age_s)
    known = {
        "kind": "compute", "name": "qemu:///system", "agent_id": "a", "interval_s": 10.0,
        "last_slot": moment, "last_poll": moment, "last_received": moment, "outcome": "ok",
        "errors": [], "pk": 1,
    }  # fmt: skip
    return Source(**{**known, **fields})


def test_a_source_is_silent_after_two_intervals_and_not_before() -> None:
    assert judge(source(age_s=20), NOW).state is State.OK
    silent = judge(source(age_s=21), NOW)
    assert silent.state is State.SILENT
    assert silent.sentence == "no report for 21 s, expected every 10 s"


def test_a_source_without_an_interval_is_never_silent() -> None:
    assert judge(source(age_s=86_400, interval_s=0.0), NOW).state is State.OK


def test_a_source_in_error_says_so_in_its_own_words() -> None:
    failing = judge(source(outcome="error", errors=["libvirt: refused"]), NOW)
    assert (failing.state, failing.sentence) == (State.ERROR, "libvirt: refused")


def test_the_worst_source_comes_first() -> None:
    judged = judge_all(
        [source(), source(outcome="partial"), source(age_s=999), source(outcome="error")], NOW
    )
    assert [each.state for each in judged] == ["silent", "error", "partial", "ok"]


def test_all_well_is_no_problem() -> None:
    assert problems([judge(source(), NOW)], {}, Backlog(0), NOW) == []


def test_every_kind_of_trouble_is_a_problem_with_its_severity() -> None:
    late = source(last_poll=NOW - timedelta(seconds=100))
    found = problems(
        [judge(source(age_s=60), NOW), judge(late, NOW)],
        {"breaks the format": 3},
        Backlog(900),
        NOW,
    )
    assert [(problem.severity, problem.title) for problem in found] == [
        ("error", "compute qemu:///system is silent"),
        ("warning", "3 items in quarantine"),
        ("warning", "Data is late"),
        ("warning", "The collector is behind"),
    ]


def test_a_broker_that_is_away_is_the_first_problem() -> None:
    away = Backlog(away_since=NOW - timedelta(minutes=5))
    first, *_ = problems([judge(source(age_s=60), NOW)], {}, away, NOW)
    assert (first.severity, first.title) == ("error", "The broker does not answer")
    assert first.detail.startswith("for 5 min;")


def test_a_body_is_shown_as_what_it_is() -> None:
    assert as_text(b'{"a": "<b>"}') == ('{\n  "a": "<b>"\n}', "JSON")
    assert as_text(b"\x81\xa1a\xc4\x02\xff\xfe") == ('{\n  "a": "(2 bytes)"\n}', "msgpack")
    assert as_text("plain wörds".encode()) == ("plain wörds", "text")
    shown, kind = as_text(b"\xff\xfe\x00A")
    assert kind == "bytes"
    assert shown.startswith("000000  ff fe 00 41")


def test_a_deep_body_does_no_harm() -> None:
    text, _ = as_text(b"[" * 5000 + b"]" * 5000)
    assert len(text) < 70_000
