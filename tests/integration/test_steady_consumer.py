"""What a task's end does when the connection that brought its message is lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kombu import Connection
from structlog.testing import capture_logs

from telemetry_site.consumer import answer_while_connected
from telemetry_site.embedded.valkey import EmbeddedValkey
from tests.faults.proxy import Proxy

LOG = logging.getLogger(__name__)
ANSWERS = ("ack_log_error", "reject_log_error")


class Received(NamedTuple):
    """A message, taken and not answered yet, and its way from the broker."""

    message: Any
    connection: Connection
    proxy: Proxy

    def lose(self) -> None:
        """The broker goes, Celery lets the connection go, and the channel's close gets no further
        than to the end of its sockets.
        """
        self.proxy.refuse()
        self.connection.collect()
        self.message.channel._disconnect_pools()
        self.message.channel._close_clients()

    def answer(self, how: str) -> None:
        getattr(self.message, how)(LOG, self.connection.connection_errors)


@pytest.fixture
def received(broker: EmbeddedValkey, tmp_path: Path) -> Iterator[Received]:
    edge = tmp_path / "edge"
    with Proxy(edge, broker.socket) as proxy:
        connection = Connection(f"redis+socket://{edge}?virtual_host=0")
        channel = connection.default_channel
        channel.queue_declare("waiting")
        connection.Producer().publish({}, routing_key="waiting")
        message = channel.basic_get("waiting")
        assert message is not None
        yield Received(message, connection, proxy)


@pytest.mark.parametrize("how", ANSWERS)
def test_kombu_cannot_answer_through_a_connection_that_is_lost(
    received: Received, how: str
) -> None:
    """When this fails, kombu has learnt it, and `answer_while_connected` may go."""
    received.lose()
    with pytest.raises(AttributeError, match="hostname"):
        received.answer(how)


@pytest.mark.parametrize("how", ANSWERS)
def test_a_message_whose_connection_is_lost_is_not_answered(received: Received, how: str) -> None:
    answer_while_connected(received.message)
    received.lose()
    received.answer(how)
    assert not received.message.acknowledged


@pytest.mark.parametrize("how", ANSWERS)
def test_a_message_is_answered_while_its_connection_is_there(received: Received, how: str) -> None:
    answer_while_connected(received.message)
    received.answer(how)
    assert received.message.acknowledged


@pytest.mark.parametrize("how", ANSWERS)
def test_a_broker_that_goes_just_then_costs_a_line(received: Received, how: str) -> None:
    answer_while_connected(received.message)
    received.proxy.refuse()
    with capture_logs() as said:
        received.answer(how)
    assert not received.message.acknowledged
    (line,) = said
    assert (line["event"], line["log_level"]) == ("not acknowledged", "warning")
    assert "exc_info" not in line


def test_a_task_whose_worker_was_killed_goes_back_to_its_queue(received: Received) -> None:
    """Celery gives `requeue` by its place."""
    answer_while_connected(received.message)
    received.message.reject_log_error(LOG, received.connection.connection_errors, True)
    again = received.message.channel.basic_get("waiting")
    assert again is not None
    assert again.delivery_info["redelivered"]
