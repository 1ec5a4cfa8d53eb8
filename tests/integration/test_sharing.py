"""Central agents share sources: none is polled twice in a slot, none left out where one dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from meters import wire
from pollers import claims
from pollers.agent import Agent
from pollers.batch import BatchBuilder
from pollers.central import plan, tasks
from pollers.claims import claim, is_settled, renewing
from pollers.polls import Findings
from pollers.slots import slot_at
from pollers.work import Work
from telemetry_site.clock import now_us
from telemetry_site.embedded.valkey import EmbeddedValkey
from tests.rabbitmq import RabbitNode
from tests.support.house_on import house_on
from tests.support.threads import at_once

SLOT = 1_000_000.0


pytestmark = pytest.mark.usefixtures("made_tasks")


def unreachable(*_: Any, **__: Any) -> Any:
    raise OSError("no broker")


def test_one_of_many_agents_gets_a_slot_on_valkey(broker: EmbeddedValkey) -> None:
    taken = at_once(8, lambda: claim("s", SLOT, 60))
    assert sorted(taken) == [False] * 7 + [True]
    assert claim("s", SLOT + 60, 60)
    assert claim("other", SLOT, 60)


def test_a_claim_of_an_agent_that_died_runs_out_and_of_one_that_polls_does_not(
    broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "LEASE_S", 0.3)
    assert claim("dead", SLOT, 60)
    assert claim("slow", SLOT, 60)
    with renewing("slow", SLOT, 60):
        time.sleep(0.6)
        assert claim("dead", SLOT, 60)
        assert not claim("slow", SLOT, 60)
        assert not is_settled("slow", SLOT)
    assert is_settled("slow", SLOT)
    time.sleep(0.4)
    assert not claim("slow", SLOT, 60)
    assert not is_settled("dead", SLOT)


def test_a_poll_that_broke_off_is_not_settled(broker: EmbeddedValkey) -> None:
    claim("s", SLOT, 60)
    with pytest.raises(OSError, match="no broker"), renewing("s", SLOT, 60):
        unreachable()
    assert not is_settled("s", SLOT)


def test_nothing_is_left_at_valkey_for_good(broker: EmbeddedValkey) -> None:
    claim("s", SLOT, 60)
    with renewing("s", SLOT, 60):
        pass
    client = broker.client()
    left = {key: client.pttl(key) for key in client.keys("*claim*")}
    client.close()
    assert len(left) == 1
    assert all(0 < life <= 120_000 for life in left.values()), left


@pytest.mark.rabbitmq
def test_one_of_many_agents_gets_a_slot_on_rabbitmq(rabbitmq: RabbitNode, settings: Any) -> None:
    with house_on(rabbitmq.add_vhost("claims"), settings):
        taken = at_once(6, lambda: claim("s", SLOT, 60))
        assert sorted(taken) == [False] * 5 + [True]
        assert is_settled("s", SLOT)
        assert not is_settled("other", SLOT)
        assert not claim("s", SLOT, 60)
        assert claim("s", SLOT + 60, 60)
        assert "120000" in rabbitmq.control("list_queues", "-p", "claims", "name", "arguments")


def test_without_a_broker_an_agent_polls_what_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "answering", unreachable)
    assert claim("s", SLOT, 60)
    assert not is_settled("s", SLOT)
    with renewing("s", SLOT, 60):
        pass


class Counted:
    """A source that remembers its polls."""

    kind = "counted"

    def __init__(self, name: str) -> None:
        self.name = name
        self.slots: list[float] = []

    def poll(self, builder: BatchBuilder) -> Findings:
        self.slots.append(builder.slot_us / 1e6)
        return Findings()


@pytest.fixture
def sources(
    broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> Iterator[dict[str, Work]]:
    """An agent with three sources and a state directory of its own; its spool is not sent."""
    work = {
        name: Work(name, Counted(name), interval)
        for name, interval in (("fast", 10.0), ("slow", 300.0), ("hourly", 3600.0))
    }
    monkeypatch.setattr(tasks.paths, "home", lambda: tmp_path)
    agent = Agent("central.test")
    monkeypatch.setattr(plan, "fixed_work", lambda: work)
    monkeypatch.setattr(tasks, "current_agent", lambda: agent)
    forget()
    yield work
    forget()


def reports(agent: Agent) -> list[wire.PollReport]:
    """Those in its spool."""
    batches = (agent.spool.get(one) for one in agent.spool.oldest(10))
    decoded = (wire.decode_batch(agent.spool.read(entry)) for entry in batches if entry)
    return [report for batch in decoded for report in batch.reports]


def forget() -> None:
    """What an agent has in its memory only."""
    tasks._sent.clear()
    tasks.agent_schedule.cache_clear()
    tasks.source_schedule.cache_clear()


def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Messages that a tick sends, instead of the queue's."""
    messages: list[tuple[str, float]] = []
    monkeypatch.setattr(
        tasks.poll_source, "apply_async", lambda arguments, **_: messages.append(arguments)
    )
    return messages


def counted(work: Work) -> Counted:
    assert isinstance(work.source, Counted)
    return work.source


def test_a_tick_sends_each_source_once_a_slot(
    sources: dict[str, Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = sent(monkeypatch)
    for step in range(60):
        monkeypatch.setattr(tasks, "now_us", lambda step=step: int((SLOT + step * 10) * 1e6))
        before = len(messages)
        tasks.poll_central()
        for name, slot in messages[before:]:
            tasks.source_schedule(name, sources[name].interval_s).done(slot)
    names = [name for name, _ in messages]
    assert names.count("fast") == 60
    assert names.count("slow") in (2, 3)
    assert names.count("hourly") in (1, 2)
    assert len(set(messages)) == len(messages)


def test_sources_are_spread_over_their_interval(sources: dict[str, Work]) -> None:
    works = [Work(f"endpoint {number}", Counted("x"), 300.0) for number in range(50)]
    offsets = sorted(tasks.slot_of(work, SLOT) - slot_at(SLOT, 300, 0) for work in works)
    assert offsets[-1] - offsets[0] > 200
    assert tasks.slot_of(works[0], SLOT) == tasks.slot_of(works[0], SLOT)


def test_what_two_agents_sent_is_polled_once(
    sources: dict[str, Work], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = sources["slow"]
    tasks.poll_slot(work, SLOT)
    forget()  # another agent, with a disk of its own
    monkeypatch.setattr(tasks.paths, "home", lambda: tmp_path / "other")
    tasks.poll_slot(work, SLOT)
    assert counted(work).slots == [SLOT]


def test_a_slot_is_sent_again_when_its_agent_died(
    sources: dict[str, Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = sent(monkeypatch)
    work = sources["hourly"]
    slot = tasks.slot_of(work, now_us() / 1e6)
    monkeypatch.setattr(claims, "LEASE_S", 0.1)
    claim(work.name, slot, work.interval_s)  # by the one that died
    assert tasks.is_to_send(work, slot, 1000.0)
    tasks._sent[work.name] = slot, 1000.0
    assert not tasks.is_to_send(work, slot, 1009.0)
    assert tasks.is_to_send(work, slot, 1011.0)
    time.sleep(0.15)
    tasks.poll_slot(work, slot)
    assert counted(work).slots == [slot]
    assert not messages


def test_a_slot_that_another_agent_did_is_not_sent_for_ever(
    sources: dict[str, Work], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = sources["hourly"]
    tasks.poll_slot(work, SLOT)
    forget()
    monkeypatch.setattr(tasks.paths, "home", lambda: tmp_path / "other")
    tasks._sent[work.name] = SLOT, 1000.0
    assert not tasks.is_to_send(work, SLOT, 1011.0)
    assert tasks.source_schedule("hourly", 3600).is_done(SLOT)


def test_a_message_that_its_agents_death_set_free_needs_no_claim(sources: dict[str, Work]) -> None:
    work = sources["slow"]
    assert claim(work.name, SLOT, 300)
    tasks.poll_slot(work, SLOT)
    assert counted(work).slots == []
    tasks.poll_slot(work, SLOT, claimed=True)
    assert counted(work).slots == [SLOT]


def test_a_slot_is_done_when_its_samples_are_on_disk_and_not_before(
    sources: dict[str, Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = sources["slow"]
    monkeypatch.setattr(Agent, "submit", unreachable)
    with pytest.raises(OSError, match="no broker"):
        tasks.poll_slot(work, SLOT)
    assert not tasks.source_schedule("slow", 300).is_done(SLOT)


def test_a_message_older_than_its_interval_is_dropped_and_counted(
    sources: dict[str, Work],
) -> None:
    def dropped() -> float:
        labels = {"reason": "tick_too_old"}
        return REGISTRY.get_sample_value("telemetry_poll_missed_total", labels) or 0

    before = dropped()
    tasks.poll_source.apply(("fast", now_us() / 1e6 - 11)).get()
    assert counted(sources["fast"]).slots == []
    assert dropped() == before + 1


def test_a_source_that_this_agent_does_not_have_is_an_error_on_its_page(
    sources: dict[str, Work],
) -> None:
    tasks.poll_source.apply(("nobody's", now_us() / 1e6)).get()
    (report,) = reports(tasks.current_agent())
    assert (report.source, report.outcome) == ("nobody's", "error")


def test_agents_without_ticks_share_by_claims(
    sources: dict[str, Work], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tasks, "now_us", lambda: int(SLOT * 1e6))
    tasks.poll_all(SLOT)
    forget()
    monkeypatch.setattr(tasks.paths, "home", lambda: tmp_path / "other")
    tasks.poll_all(SLOT)
    assert [len(counted(work).slots) for work in sources.values()] == [1, 1, 1]


def test_one_poll_that_fails_stops_no_other_without_ticks(
    sources: dict[str, Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tasks.poll_slot

    def poll_slot(work: Work, slot: float) -> None:
        if work.name == "fast":
            raise OSError("broken")
        original(work, slot)

    monkeypatch.setattr(tasks, "poll_slot", poll_slot)
    tasks.poll_all(SLOT)
    assert [len(counted(work).slots) for work in sources.values()] == [0, 1, 1]
