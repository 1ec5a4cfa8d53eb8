"""What is polled when: sources of several intervals, wildcards, pollsters of one request."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pollers.agent import Agent
from pollers.batch import BatchBuilder
from pollers.compute import tasks
from pollers.compute.host import HostSource
from pollers.compute.meters import COMPUTE_METERS, HOST_METERS
from pollers.compute.plan import ComputePlan
from pollers.compute.sources import ComputeSources
from pollers.errors import SourceError
from pollers.polling_file import PollingSource
from pollers.polls import Findings, Source, run_poll
from pollers.pollsters.definition import Pollster
from pollers.pollsters.source import PollsterSource
from pollers.schedule import Schedule
from pollers.timetable import Timetable
from pollers.work import Work, pollster_work
from telemetry_site import paths
from telemetry_site.selection import Selection
from tests.samples import samples_of
from tests.support.polling import pollsters_of

START = 1_000_000.0


def source(name: str, interval: float, *meters: str, **more: Any) -> PollingSource:
    return PollingSource(name, interval, Selection(meters), **more)


class Machine:
    """A host whose poll costs nothing."""

    kind, name = "host", "machine"

    def poll(self, builder: BatchBuilder) -> Findings:
        return Findings()


class OwnSources(ComputeSources):
    def __init__(self) -> None:
        self.machine, self.guests = Machine(), Machine()

    def host(self) -> list[Source]:
        return [self.machine]

    def hypervisors(self) -> list[Source]:
        return [self.guests]


def timetable(folder: Path, *intervals: float, tick_s: float = 10) -> Timetable:
    return Timetable(
        [
            Schedule(folder / f"{interval}.json", interval, 0.0, START, tick_s=tick_s)
            for interval in intervals
        ]
    )


def test_every_interval_is_kept_for_itself(tmp_path: Path) -> None:
    table = timetable(tmp_path, 60, 300)
    polled: Counter[float] = Counter()
    for tick in range(60):  # ten minutes of ticks that jitter
        polled.update([*(table.take_tick(START + tick * 10 + (tick % 3) * 0.4) or {})])
    assert polled[60] in (10, 11)
    assert polled[300] in (2, 3)


def test_a_long_interval_is_not_polled_long_before_its_slot(tmp_path: Path) -> None:
    table = timetable(tmp_path, 300)
    slots = {}
    for tick in range(90):
        now = START + 7 + tick * 10
        for slot in (table.take_tick(now) or {}).values():
            slots[slot] = now - slot
    assert len(slots) == 4
    assert all(-2.5 <= late <= 10 for late in list(slots.values())[1:]), slots


def test_without_ticks_every_interval_is_polled_alone(tmp_path: Path) -> None:
    table = timetable(tmp_path, 10, 60)
    assert table.take_due(START + 14) is None
    assert table.take_due(START + 21) == {10: START + 20, 60: START + 20}
    assert table.take_due(START + 25) is None
    assert table.next_look(START + 25) == 5
    assert table.alone(START + 25)


def test_one_reading_serves_all_sources_that_are_due() -> None:
    own = OwnSources()
    plan = ComputePlan(
        [source("a", 60, "cpu", "memory"), source("b", 300, "disk.*", "cpu")], [], own, 10
    )
    assert plan.intervals() == [60, 300]
    (planned,) = plan.due({60.0, 300.0})
    assert planned.source is own.guests
    assert planned.accepts
    asked = ("cpu", "memory", "vcpus", "disk.root.size")
    assert [*filter(planned.accepts, asked)] == ["cpu", "memory", "disk.root.size"]
    (planned,) = plan.due({300.0})
    assert planned.accepts
    assert not planned.accepts("memory")
    assert planned.interval_s == 60


def test_the_host_is_polled_where_its_meters_are_selected() -> None:
    own = OwnSources()
    plan = ComputePlan([source("a", 60, "hardware.cpu.*")], [], own, 10)
    assert [planned.source for planned in plan.due({60.0})] == [own.machine]


def test_a_report_says_what_the_polling_file_leaves_out() -> None:
    own = OwnSources()
    sources = [source("a", 60, "cpu", place="polling.yaml:2"), source("b", 300, "memory")]
    plan = ComputePlan(sources, [], own, 10, unknown=["polling.yaml:4: no pollster is cpux"])
    (planned,) = plan.due({60.0})
    told = planned.chosen["selection"]
    assert told["meters"] == ["cpu", "memory"], "what another interval brings is not left out"
    assert "memory.usage" in told["left_out"]
    assert told["rules"][0] == "polling.yaml:2: source 'a' takes cpu"
    assert told["unknown"] == ["polling.yaml:4: no pollster is cpux"]
    (planned, _) = ComputePlan([], [], own, 10).due({10.0})
    assert set(planned.chosen["selection"]) == {"meters"}


def test_a_report_tells_the_choice_whatever_became_of_the_poll() -> None:
    class Broken(Machine):
        def poll(self, builder: BatchBuilder) -> Findings:
            raise SourceError("no answer")

    chosen = {"selection": {"left_out": ["memory"]}}
    report = run_poll(Broken(), BatchBuilder("compute.test"), 1, 10, chosen)
    assert (report.outcome, report.details) == ("error", chosen)


def test_without_a_file_everything_is_polled_at_every_tick() -> None:
    own = OwnSources()
    plan = ComputePlan([], [Work("w", Machine(), 300)], own, 10)
    assert plan.intervals() == [10, 300]
    assert [planned.accepts for planned in plan.due({10.0})] == [None, None]
    assert plan.due({300.0}) == []
    assert [work.name for work in plan.due_work({300.0})] == ["w"]
    assert plan.due_work({10.0}) == []


def test_meters_that_are_not_selected_are_left_out_of_a_batch() -> None:
    builder = BatchBuilder("test", Selection(["hardware.memory.*"]).accepts)
    HostSource("machine").poll(builder)
    meters = {meter for _, meter in samples_of(builder)}
    assert meters
    assert all(meter.startswith("hardware.memory.") for meter in meters)
    assert not builder.rejects


def test_every_meter_of_the_host_is_known_by_name() -> None:
    builder = BatchBuilder("test")
    HostSource("machine").poll(builder)
    assert {meter for _, meter in samples_of(builder)} <= set(HOST_METERS)
    assert len(set(COMPUTE_METERS)) == len(COMPUTE_METERS)


def definition(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name, "sample_type": "gauge", "unit": "1", "value_attribute": "v",
        "url_path": "http://h.example/x", **changes,
    }  # fmt: skip


@pytest.fixture
def pollsters(tmp_path: Path) -> list[Pollster]:
    return pollsters_of(
        tmp_path,
        definition("a.one"), definition("a.two"),
        definition("b.other", url_path="http://h.example/y"),
        definition("c.compute", namespaces="compute"),
        definition("c.both", namespaces=["compute", "central"]),
        definition("d.cloud", url_path="v2/x", endpoint_type="image"),
    )  # fmt: skip


def names(work: list[Work]) -> dict[str, list[str]]:
    return {
        one.name: [pollster.name for pollster in one.source.pollsters]
        for one in work
        if isinstance(one.source, PollsterSource)
    }


def test_pollsters_of_one_request_and_interval_are_one_work(pollsters: list[Pollster]) -> None:
    sources = [source("first", 60, "a.*", "b.other"), source("second", 60, "a.one")]
    assert names(pollster_work(["central"], sources, pollsters, None)) == {
        "first: http://h.example/x": ["a.one", "a.two"],
        "first: http://h.example/y": ["b.other"],
    }


def test_the_same_meter_in_two_intervals_is_polled_in_both(pollsters: list[Pollster]) -> None:
    sources = [source("fast", 60, "a.one"), source("slow", 300, "a.one")]
    made = pollster_work(["central"], sources, pollsters, None)
    assert [(one.name, one.interval_s) for one in made] == [
        ("fast: http://h.example/x", 60), ("slow: http://h.example/x", 300),
    ]  # fmt: skip


def test_a_pollster_runs_in_its_namespaces_only(pollsters: list[Pollster]) -> None:
    everything = [source("s", 60, "c.*")]
    central = names(pollster_work(["central"], everything, pollsters, None))
    compute = names(pollster_work(["compute"], everything, pollsters, None))
    assert list(central.values()) == [["c.both"]]
    assert list(compute.values()) == [["c.compute", "c.both"]]


def test_a_wildcard_asks_for_no_cloud_that_nobody_named(pollsters: list[Pollster]) -> None:
    by_wildcard = names(pollster_work(["central"], [source("s", 60, "*")], pollsters, None))
    assert "d.cloud" not in str(by_wildcard)
    by_name = names(pollster_work(["central"], [source("s", 60, "d.cloud")], pollsters, None))
    assert by_name == {"s: image v2/x": ["d.cloud"]}


def test_names_of_work_do_not_depend_on_the_agent(pollsters: list[Pollster]) -> None:
    more = [
        source("s", 60, "a.one", resources=("r1",)),
        source("s", 60, "a.one", resources=("r2",)),
    ]
    made = [names(pollster_work(["central"], more, pollsters, None)) for _ in range(2)]
    assert made[0] == made[1]
    assert len(made[0]) == 2


def test_a_slow_pollster_on_a_host_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, begun = threading.Event(), threading.Event()

    class Slow(Machine):
        def poll(self, builder: BatchBuilder) -> Findings:
            begun.set()
            release.wait(10)
            return Findings()

    monkeypatch.setattr(paths, "home", lambda: tmp_path)
    agent = Agent("compute.test")
    plan = ComputePlan([], [Work("slow", Slow(), 10)], OwnSources(), 10)
    monkeypatch.setattr(tasks, "current_plan", lambda: plan)
    monkeypatch.setattr(tasks, "current_agent", lambda: agent)
    tasks.poll_slots({10: START})
    assert begun.wait(5)
    assert len(agent.spool) == 2, "host and hypervisor did not wait"
    tasks.poll_slots({10: START + 10})
    assert len(agent.spool) == 4
    release.set()
    for _ in range(500):
        if len(agent.spool) == 5:
            break
        time.sleep(0.01)
    assert len(agent.spool) == 5, "the slow one was polled once"
