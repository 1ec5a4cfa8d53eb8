"""What a target refused lies in the quarantine, readable, and goes out again from there."""

from __future__ import annotations

import time
from typing import Any

import pytest

from meters import replay, wire
from meters.models import Quarantine, Source
from meters.store.write import store_batch
from pollers.agent import Agent
from pollers.publishers.process import report_of
from pollers.publishers.refusals import Refusals
from pollers.publishers.targets import target_of
from telemetry_site.clock import now_us
from tests.browser.seed import users
from tests.support.published import event, sample
from tests.support.visitors import signed_in

pytestmark = pytest.mark.usefixtures("fresh_store")


class Kept:
    """An agent's way in, without its threads."""

    agent_id = "publisher.h"

    def __init__(self) -> None:
        self.batches: list[wire.Batch] = []

    def submit(self, batches: list[wire.Batch]) -> None:
        self.batches += batches


def test_a_refusal_is_kept_and_replayed(lines: Any) -> None:
    agent: Any = Kept()
    Refusals(agent).put("lan", [sample("a"), sample("b")], [event("e1")], "answered 400: no")
    store_batch(agent.batches[0])
    [row] = Quarantine.objects.all()

    assert (row.form, row.reason) == ("publication", "refused")
    assert (row.source, row.detail) == ("publisher lan", "lan: answered 400: no")
    line = lines("lan", gets_all=False)
    assert replay.replay([row.pk], "me") == (1, {})
    assert line.work() == 1
    assert [one.meter for one in line.sink.samples] == ["a", "b"]
    assert [one.message_id for one in line.sink.events] == ["e1"]
    row.refresh_from_db()
    assert row.state == "replayed"


def test_what_is_not_even_a_batch_stays(lines: Any) -> None:
    agent: Any = Kept()
    Refusals(agent).put("lan", [], [], "not a msgpack message", b"\xc1 nonsense")
    store_batch(agent.batches[0])
    [row] = Quarantine.objects.all()
    done, refused = replay.replay([row.pk], "me")

    assert done == 0
    assert row.pk in refused
    assert bytes(row.body) == b"\xc1 nonsense"


@pytest.mark.rabbitmq
@pytest.mark.parametrize("on_broker", ["rabbitmq"], indirect=True)
def test_a_publisher_that_is_gone_takes_nothing_back(on_broker: str) -> None:
    agent: Any = Kept()
    Refusals(agent).put("gone", [sample("a")], [], "no")
    store_batch(agent.batches[0])
    [row] = Quarantine.objects.all()

    assert "the broker does not take it" in replay.replay([row.pk], "me")[1][row.pk]


def test_how_it_goes_stands_among_the_sources_and_in_the_status(lines: Any) -> None:
    users()
    operator = signed_in("operator")
    line = lines("lan")
    line.feed.state.trouble, line.feed.state.waiting = "refused: no connection", 5
    line.feed.state.refused, line.feed.state.refusal = 2, "answered 400"
    line.feed.state.dropped = 3
    target = target_of("http://u:pw-of-u@h:1/x", "lan", gets_all=True)
    now = now_us()
    batch_id = wire.new_batch_id()
    report = report_of(line.feed, target, now, 3600.0)
    store_batch(wire.Batch(1, batch_id, "publisher.h", now, reports=[report]))
    [source] = Source.objects.all()

    assert (source.kind, source.name, source.outcome) == ("publisher", "lan", "error")
    assert source.errors == [
        "The target takes nothing: refused: no connection. 5 batches wait.",
        "2 refused, in the quarantine: answered 400",
        "The backlog was full: 3 of the oldest batches were dropped.",
    ]
    assert source.details["target"] == "http://h:1/x"
    assert line.feed.state.dropped == 0
    queues = operator.get("/api/status").json()["installation"]["queues"]
    assert {"name": "publisher.lan", "messages": 0} in queues
    assert "publisher lan takes nothing" in operator.get("/").content.decode()
    page = operator.get("/sources").content.decode()
    assert "no connection. 5 batches wait." in page
    assert "pw-of-u" not in page


def test_the_spool_keeps_a_refusal_until_the_database_has_it(settings: Any, broker: Any) -> None:
    agent = Agent(f"publisher.{time.monotonic_ns()}")
    Refusals(agent).put("lan", [sample("a")], [], "no")

    assert len(agent.spool) == 1
