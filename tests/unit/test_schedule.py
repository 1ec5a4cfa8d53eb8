"""The schedule: state on disk, ticks, and polling alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from pollers.schedule import Fallback, Schedule

START = 1_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "schedule" / "compute.json"


def make(path: Path, started: float = START, shared: bool = False) -> Schedule:
    return Schedule(path, 10, 0.0, started, shared=shared)


def counter(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_a_slot_is_polled_once_also_across_a_restart(path: Path) -> None:
    assert make(path).take_tick(START + 1) == START
    assert make(path).take_tick(START + 2) is None
    assert make(path).take_tick(START + 11) == START + 10


def test_threads_share_a_slot_out_to_one_of_them(path: Path) -> None:
    schedules = [make(path) for _ in range(8)]
    taken: list[float | None] = []
    threads = [
        threading.Thread(target=lambda each=each: taken.append(each.take_tick(START + 1)))
        for each in schedules
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken, key=str) == [START, *[None] * 7]


def test_missed_slots_are_counted_unless_other_agents_share_the_source(path: Path) -> None:
    before = counter("telemetry_poll_missed_total", reason="no_poll")
    make(path).take_tick(START)
    make(path).take_tick(START + 50)
    assert counter("telemetry_poll_missed_total", reason="no_poll") == before + 4
    make(path, shared=True).take_tick(START + 100)
    assert counter("telemetry_poll_missed_total", reason="no_poll") == before + 4


def test_without_ticks_for_one_and_a_half_intervals_the_agent_polls_alone(path: Path) -> None:
    schedule = make(path)
    schedule.take_tick(START)
    assert schedule.take_due(START + 12) is None
    assert schedule.take_due(START + 15.1) == START + 10
    assert schedule.take_due(START + 16) is None
    assert schedule.take_due(START + 20.01) == START + 20


def test_a_fresh_agent_waits_for_a_tick_before_it_polls_alone(path: Path) -> None:
    assert make(path).take_due(START + 14) is None
    assert make(path).take_due(START + 15.1) == START + 10


def test_polls_without_a_tick_are_counted(path: Path) -> None:
    before = counter("telemetry_poll_fallback_total")
    make(path).take_due(START + 21)
    assert counter("telemetry_poll_fallback_total") == before + 1


def test_a_tick_ends_polling_alone(path: Path) -> None:
    schedule = make(path)
    assert schedule.take_due(START + 21) == START + 20
    assert schedule.take_tick(START + 31) == START + 30
    assert schedule.take_due(START + 41) is None


def test_a_clock_set_back_by_an_hour_does_not_stop_polling(path: Path) -> None:
    schedule = make(path, started=START - 7200)
    schedule.take_tick(START)
    assert schedule.take_tick(START - 3600) == START - 3600
    assert schedule.take_due(START - 3600 + 21) == START - 3600 + 20


def test_a_damaged_state_file_is_begun_anew(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("{half")
    with capture_logs() as logs:
        assert make(path).take_tick(START) == START
    assert logs[0]["event"] == "schedule file unreadable, begun anew"
    assert make(path).take_tick(START + 1) is None


def test_an_unwritable_state_directory_is_said_once_and_polling_goes_on(tmp_path: Path) -> None:
    (tmp_path / "schedule").write_text("a file where the directory should be")
    schedule = make(tmp_path / "schedule" / "compute.json")
    with capture_logs() as logs:
        assert schedule.take_tick(START) == START
        assert schedule.take_tick(START + 1) is None
        assert schedule.take_tick(START + 10) == START + 10
    assert [entry["event"] for entry in logs] == ["schedule file can't be written"]


def test_the_fallback_says_once_that_the_beat_is_away_and_once_that_it_is_back(path: Path) -> None:
    schedule = make(path)
    polled: list[float] = []
    fallback = Fallback(schedule, polled.append)
    with capture_logs() as logs:
        for second in (21, 31, 41):
            fallback.look(START + second)
        schedule.take_tick(START + 51)
        fallback.look(START + 52)
    assert polled == [START + 20, START + 30, START + 40]
    assert [entry["event"] for entry in logs] == [
        "no tick of the beat: the agent polls by itself",
        "the beat ticks again",
    ]


def test_a_poll_longer_than_the_patience_is_no_beat_that_is_away(path: Path) -> None:
    """While it is on nobody hears the ticks that come."""
    schedule = make(path)
    polled: list[float] = []
    polling = threading.Lock()
    fallback = Fallback(schedule, polled.append, polling.locked)
    before = counter("telemetry_poll_missed_total", reason="no_poll")
    with capture_logs() as logs:
        with polling:
            assert schedule.take_tick(START + 1) == START
            for second in (11, 21, 31):
                fallback.look(START + second)
        schedule.heard(START + 32)
        fallback.look(START + 41)
        assert schedule.take_tick(START + 42) == START + 40
    assert (polled, logs) == ([], [])
    assert counter("telemetry_poll_missed_total", reason="no_poll") == before + 3
    fallback.look(START + 61)
    assert polled == [START + 60], "and then nobody ticks any more"


def test_a_poll_that_fails_does_not_end_the_fallback(path: Path) -> None:
    def fail(slot: float) -> None:
        raise OSError(f"slot {slot}")

    fallback = Fallback(make(path), fail)
    before = counter("telemetry_poll_missed_total", reason="error")
    fallback.look(START + 21)
    fallback.look(START + 31)
    assert counter("telemetry_poll_missed_total", reason="error") == before + 2


def test_the_fallback_thread_polls_and_stops(path: Path) -> None:
    polled = threading.Event()
    schedule = Schedule(path, 0.1, 0.0, started=0.0)
    fallback = Fallback(schedule, lambda _slot: polled.set()).start()
    assert polled.wait(5)
    fallback.stop()
