"""Queues and the loop, on both brokers: each target by itself, nothing lost, nothing silent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as site

from meters import wire
from pollers.publish import STORE_BATCH, Publisher
from telemetry_site import publishing
from telemetry_site.celery import app
from telemetry_site.queues import answering, depth
from tests.support.batches import batch_of, event, resource
from tests.support.published import AT_US


def batch(*meters: str, events: tuple[str, ...] = ()) -> wire.Batch:
    rows = [(resource(), meter, 1.0, AT_US + row) for row, meter in enumerate(meters)]
    return batch_of(*rows, events=[event(name) for name in events])


def send(publisher: Publisher, *batches: wire.Batch) -> None:
    for one in batches:
        publisher.publish(STORE_BATCH, site.COLLECTOR_QUEUE, wire.encode(one))


def until(wanted: int, ask: Callable[[], int]) -> int:
    """What is asked, once it is so many, or after 10 s."""
    deadline = time.monotonic() + 10
    while (found := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def waiting(queue: str) -> int:
    with answering(app) as connection:
        return depth(connection, queue)


def test_every_target_gets_everything_and_a_dead_one_holds_up_nobody(
    lines: Any, publisher: Publisher
) -> None:
    dead, alive = lines("dead"), lines("alive")
    dead.sink.away = True
    send(publisher, batch("a", "b", events=("e1",)), batch("c"))

    assert dead.work() == 0
    assert alive.work() == 2
    assert alive.meters == ["a", "b", "c"]
    assert [one.message_id for one in alive.sink.events] == ["e1"]
    assert until(2, lambda: waiting("publisher.dead")) == 2
    dead.feed.measure()
    assert (dead.feed.state.waiting, dead.feed.state.trouble) == (2, "not now")
    assert waiting("publisher.alive") == 0
    assert waiting("collector") == 2

    dead.sink.away = False
    dead.work_off(2)
    assert dead.sink.samples == alive.sink.samples
    assert dead.sink.events == alive.sink.events
    assert waiting("publisher.dead") == 0
    assert dead.feed.state.trouble == ""


def test_what_is_refused_is_set_aside_and_the_rest_goes_on(
    lines: Any, publisher: Publisher
) -> None:
    line = lines("choosy")
    line.sink.hated = {"bad", "e2"}
    send(publisher, batch(*"abcdefg", "bad", *"hij", events=("e1", "e2", "e3")), batch("z"))

    assert line.work() == 2
    assert line.meters == [*"abcdefghij", "z"]
    assert [one.message_id for one in line.sink.events] == ["e1", "e3"]
    (one, two) = line.refused
    assert ([each.meter for each in one[1]], one[2], one[3]) == (["bad"], [], "never")
    assert (two[1], [each.message_id for each in two[2]]) == ([], ["e2"])
    assert line.feed.state.refused == 2


def test_a_target_that_refuses_all_is_not_asked_about_each(
    lines: Any, publisher: Publisher
) -> None:
    line = lines("sullen")
    names = [f"m{number}" for number in range(200)]
    line.sink.hated = set(names)
    send(publisher, batch(*names))

    assert line.work() == 1
    assert sum(len(said[1]) for said in line.refused) == 200
    assert line.sink.calls < 80


def test_a_copy_is_not_delivered_again_and_what_is_no_batch_is_set_aside(
    lines: Any, publisher: Publisher
) -> None:
    line = lines("one")
    made = batch("a")
    send(publisher, made, made)
    publisher.feed("one", b"no batch at all")

    assert line.work() == 3
    assert line.meters == ["a"]
    [said] = line.refused
    assert (said[0], said[4]) == ("one", b"no batch at all")


def test_what_was_taken_and_not_acknowledged_comes_again(lines: Any, publisher: Publisher) -> None:
    """As after a kill between the delivery and its acknowledgement."""
    first = lines("x")
    send(publisher, batch("a"), batch("b"))
    taken = first.backlog.oldest()
    assert taken is not None
    first.backlog.close()
    again = lines("x")

    again.work_off(2)
    assert sorted(again.meters) == ["a", "b"]


def test_batches_for_one_target_alone(lines: Any, publisher: Publisher) -> None:
    fed, other = lines("fed", gets_all=False), lines("other")
    publisher.feed("fed", wire.encode(batch("a")))
    send(publisher, batch("b"))

    assert fed.work() == other.work() == 1
    assert fed.meters == ["a"]
    assert other.meters == ["b"]


def test_a_full_backlog_loses_its_oldest_and_counts_them(
    lines: Any, publisher: Publisher, settings: Any
) -> None:
    settings.TELEMETRY_PUBLISHER_BACKLOG = 3
    line = lines("small")
    send(publisher, *(batch(f"m{number}") for number in range(8)))

    assert waiting("collector") == 8
    assert waiting("publisher.small") == 3
    dropped: Counter[str] = Counter()

    def counted() -> int:
        with answering(app) as connection:
            dropped.update(publishing.take_dropped(connection, ["small"]))
        return dropped["small"]

    assert until(5, counted) == 5
    assert counted() == 5, "each counts once"
    assert line.work() == 3
    assert line.meters == ["m5", "m6", "m7"]


def test_another_bound_later_uses_the_queue_as_it_is(
    lines: Any, publisher: Publisher, settings: Any
) -> None:
    lines("grown")
    settings.TELEMETRY_PUBLISHER_BACKLOG = 77
    again = lines("grown")
    publisher.feed("grown", wire.encode(batch("a")))
    send(publisher, batch("b"))

    assert again.work() == 2


def test_a_forgotten_target_gets_nothing_more(lines: Any, publisher: Publisher) -> None:
    line = lines("gone")
    line.backlog.close()
    with answering(app) as connection:
        publishing.forget(connection, "gone")
    send(publisher, batch("a"))

    assert waiting("publisher.gone") == 0
    assert waiting("collector") == 1


@pytest.mark.parametrize("fault", [RuntimeError("ours"), KeyError("x")])
def test_a_fault_of_ours_holds_up_nothing(
    lines: Any, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    line = lines("odd")

    def fail(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(line.sink, "send_samples", fail)
    send(publisher, batch("a", events=("e1",)))

    assert line.work() == 1
    assert [one.message_id for one in line.sink.events] == ["e1"]
    [said] = line.refused
    assert said[3].startswith(type(fault).__name__)
