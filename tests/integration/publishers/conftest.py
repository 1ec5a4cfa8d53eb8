"""A publisher's queue on each broker, and what is on the other end."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from meters import wire
from pollers import publish
from pollers.publish import Publisher
from pollers.publishers.backlog import Backlog, backlog_of
from pollers.publishers.errors import Refused, Unreachable
from pollers.publishers.feed import Feed
from pollers.publishers.items import Sample
from telemetry_site import publishing
from telemetry_site.celery import app
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.queues import answering
from tests.rabbitmq import RabbitNode
from tests.support.house_on import house_on


@pytest.fixture(scope="module")
def vhost(rabbitmq: RabbitNode) -> str:
    """One for a file of tests: to make one takes seconds."""
    return rabbitmq.add_vhost(uuid.uuid4().hex)


@pytest.fixture(params=["valkey", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def on_broker(
    request: pytest.FixtureRequest, broker: EmbeddedValkey, settings: Any
) -> Iterator[str]:
    """The broker of the house, one after the other."""
    _let_go()
    if request.param == "valkey":
        yield "valkey"
    else:
        yield from _moved(request.getfixturevalue("vhost"), settings)
    _let_go()


def _let_go() -> None:
    """Of this thread's connection for publishing, which knows the other broker."""
    publish._publisher().close()


def _moved(url: str, settings: Any) -> Iterator[str]:
    with house_on(url, settings):
        with answering(app) as connection, connection.channel() as channel:
            settings.COLLECTOR_QUEUE.bind(channel).declare()
            channel.queue_purge(settings.COLLECTOR_QUEUE.name)
        yield "rabbitmq"


class Ledger:
    """A target that does what the test says, and keeps what it was given."""

    takes_events = True
    most = 4

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.events: list[wire.Event] = []
        self.away = False
        self.hated: set[str] = set()
        self.calls = 0

    def send_samples(self, samples: Sequence[Sample]) -> None:
        self._judge([one.meter for one in samples])
        self.samples += samples

    def send_events(self, events: Sequence[wire.Event]) -> None:
        self._judge([one.message_id for one in events])
        self.events += events

    def _judge(self, names: list[str]) -> None:
        self.calls += 1
        assert len(names) <= self.most
        if self.away:
            raise Unreachable("not now")
        if self.hated & set(names):
            raise Refused("never")

    def close(self) -> None:
        pass


class Line:
    """A feed with its queue, worked by hand."""

    def __init__(self, name: str, gets_all: bool) -> None:
        self.sink = Ledger()
        self.refused: list[tuple[Any, ...]] = []
        self.backlog: Backlog = backlog_of(name, gets_all)
        self.backlog.count()  # makes the queue
        sink: Any = self.sink
        self.feed = Feed(name, sink, self.backlog, lambda *said: self.refused.append(said))

    def work(self) -> int:
        """Until nothing is left or the target is away; how many batches were dealt with."""
        done = 0
        while self.feed.step():
            done += 1
        return done

    def work_off(self, batches: int) -> None:
        """Until so many are dealt with: what goes back takes RabbitMQ a moment."""
        done = 0
        deadline = time.monotonic() + 10
        while done < batches:
            assert time.monotonic() < deadline, f"{done} of {batches} batches"
            done += self.feed.step()

    @property
    def meters(self) -> list[str]:
        return [one.meter for one in self.sink.samples]


@pytest.fixture
def lines(on_broker: str) -> Iterator[Any]:
    made: list[Line] = []

    def line(name: str, gets_all: bool = True) -> Line:
        made.append(Line(name, gets_all))
        return made[-1]

    yield line
    for one in made:
        one.backlog.close()
        with answering(app) as connection:
            publishing.forget(connection, one.feed.name)


@pytest.fixture
def publisher(on_broker: str) -> Iterator[Publisher]:
    made = Publisher()
    yield made
    made.close()
