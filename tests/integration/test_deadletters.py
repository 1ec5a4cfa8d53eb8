"""Dead letters of a real RabbitMQ reach the quarantine."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from meters import deadletters
from meters.models import Quarantine
from tests.rabbitmq import RabbitNode

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("fresh_store"),
]


@pytest.fixture
def on_rabbitmq(rabbitmq: RabbitNode, settings: Any, monkeypatch: pytest.MonkeyPatch) -> RabbitNode:
    settings.BROKER_IS_AMQP = True
    app = Celery(broker=rabbitmq.url(), set_as_current=False)
    monkeypatch.setattr(deadletters, "app", app)
    return rabbitmq


def test_a_rejected_message_is_kept_whole_with_the_reason(on_rabbitmq: RabbitNode) -> None:
    deadletters.declare()
    arguments = {"x-queue-type": "quorum", "x-dead-letter-exchange": "telemetry.dlx"}
    with (
        Connection(on_rabbitmq.url()) as link,
        link.SimpleQueue("mortal", queue_args=arguments) as queue,
    ):
        queue.put(b"body that nobody can take", content_type="application/data",
                  content_encoding="binary", headers={"task": "x"})  # fmt: skip
        queue.get(timeout=10).reject()
        moved = 0
        for _ in range(50):
            moved += deadletters.drain()
            if moved:
                break

    row = Quarantine.objects.get()
    assert bytes(row.body) == b"body that nobody can take"
    assert row.detail == "rejected in queue mortal, task x"
    assert deadletters.drain() == 0


def test_valkey_has_no_dead_letters() -> None:
    assert deadletters.drain() == 0
