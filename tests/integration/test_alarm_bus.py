"""Actions queue:// and the changes of alarms on a real RabbitMQ and a real Valkey."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

from alarms import lifecycle, outbox
from alarms.choices import Delivery, State
from alarms.errors import DefinitionError
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm, Notification
from alarms.notifier.delivery import send_due
from telemetry_site.auth.principal import Principal
from telemetry_site.embedded.valkey import EmbeddedValkey
from tests.rabbitmq import RabbitNode
from tests.support.alarms import make_alarm, store, threshold
from tests.support.muting import make_silence, matcher
from tests.support.ports import free_port

pytestmark = pytest.mark.usefixtures("fresh_store")
Read = Callable[[str], list[Any]]


def reader(url: str) -> Read:
    def read(queue: str) -> list[Any]:
        """Everything that waits in the queue, taken."""
        found: list[Any] = []
        with Connection(url) as connection:
            simple = connection.SimpleQueue(Queue(queue, no_declare=True), no_ack=True)
            try:
                while True:
                    message = simple.get(block=False)
                    found.append((message.properties.get("message_id"), message.payload))
            except simple.Empty:
                simple.close()
        return found

    return read


@pytest.fixture
def rabbit(rabbitmq: RabbitNode, broker: EmbeddedValkey, settings: Any) -> Read:
    settings.TELEMETRY_ALARM_BUS_URL = rabbitmq.add_vhost(uuid.uuid4().hex)
    return reader(settings.TELEMETRY_ALARM_BUS_URL)


@pytest.fixture(params=[pytest.param("rabbit", marks=pytest.mark.rabbitmq), "valkey"])
def read(request: pytest.FixtureRequest, broker: EmbeddedValkey, settings: Any) -> Read:
    """Of each bus."""
    if request.param == "rabbit":
        found: Read = request.getfixturevalue("rabbit")
        return found
    settings.TELEMETRY_ALARM_BUS_URL = broker.url()
    return reader(broker.url())


def fire(url: str) -> Notification:
    alarm: Alarm = make_alarm(alarm_actions=[url])
    Notification.objects.all().delete()
    alarm.state, alarm.state_version = State.ALARM, 1
    [row] = Notification.objects.bulk_create(outbox.messages(alarm, State.OK, "because", {}))
    send_due()
    row.refresh_from_db()
    return row


def test_a_message_waits_in_its_queue_for_who_reads_it(read: Read) -> None:
    row = fire("queue://pager")
    assert (row.status, row.last_error) == (Delivery.DELIVERED, "")
    [(message_id, body)] = read("pager")
    assert body == json.loads(row.body)
    if message_id is not None:  # kombu's transport for Valkey has no such property
        assert message_id == str(row.pk)


def test_in_oslos_envelope(read: Read, settings: Any) -> None:
    settings.TELEMETRY_ALARM_BUS_OSLO = True
    row = fire("queue://alarming.sample")
    [(_, body)] = read("alarming.sample")
    assert body["oslo.version"] == "2.0"
    inner = json.loads(body["oslo.message"])
    assert (inner["message_id"], inner["event_type"]) == (str(row.pk), "alarm.update")
    assert (inner["publisher_id"], inner["priority"]) == ("alarming.evaluator", "SAMPLE")
    assert inner["payload"] == {"actions": ["queue://alarming.sample"], **json.loads(row.body)}


def test_each_change_is_told_in_its_order(read: Read) -> None:
    url = "http://receiver.example/x"
    alarm = make_alarm(ok_actions=[url])
    assert send_due() == 1
    lifecycle.change(alarm, {"name": "b"}, "u2")
    assert send_due() == 1
    lifecycle.set_state(alarm, State.ALARM, "u2")
    lifecycle.set_state(alarm, State.OK, "u2")
    assert send_due() == 2
    lifecycle.delete(alarm, "u2")
    assert send_due() == 1
    told = [json.loads(body["oslo.message"]) for _, body in read("notifications.info")]
    assert [one["event_type"] for one in told] == [
        "alarm.creation", "alarm.rule_change", "alarm.state_transition",
        "alarm.state_transition", "alarm.deletion",
    ]  # fmt: skip
    assert {one["publisher_id"] for one in told} == {"aodh.api"}
    assert {one["payload"]["alarm_id"] for one in told} == {str(alarm.pk)}
    assert told[0]["payload"]["detail"]["ok_actions"] == [url]
    assert told[1]["payload"]["detail"] == {"name": "b"}
    assert [one["payload"]["detail"]["state"] for one in told[2:4]] == ["alarm", "ok"]


@pytest.mark.rabbitmq
def test_the_evaluators_transitions_are_told_too(rabbit: Read) -> None:
    store(95.0, project_id="p1")
    make_alarm(threshold())
    assert send_due() == 1
    evaluate_due()
    assert send_due() == 1
    told = [json.loads(body["oslo.message"]) for _, body in rabbit("notifications.info")]
    assert told[1]["publisher_id"] == "aodh.evaluator"
    assert json.loads(told[1]["payload"]["detail"])["state"] == "alarm"


@pytest.mark.rabbitmq
def test_a_silence_keeps_nothing_from_the_bus(rabbit: Read) -> None:
    make_silence(matcher(), project_id=None)
    make_alarm(threshold(), project_id=None, alarm_actions=["log://"])
    store(95.0)
    evaluate_due()
    assert send_due() >= 1
    told = [json.loads(body["oslo.message"]) for _, body in rabbit("notifications.info")]
    assert "alarm.state_transition" in [one["event_type"] for one in told]
    assert Notification.objects.get(url="log://").status == Delivery.SUPPRESSED


def test_a_bus_that_is_away_loses_nothing(
    broker: EmbeddedValkey, rabbitmq: RabbitNode, settings: Any
) -> None:
    settings.TELEMETRY_ALARM_BUS_URL = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    alarm = make_alarm()
    assert send_due() == 1
    lifecycle.delete(alarm, "u1")
    send_due()
    waiting = Notification.objects.filter(status=Delivery.PENDING)
    assert [row.last_error for row in waiting] == ["broker", "broker"]
    settings.TELEMETRY_ALARM_BUS_URL = rabbitmq.add_vhost(uuid.uuid4().hex)
    for row in waiting:
        Notification.objects.filter(pk=row.pk).update(next_attempt_at=row.created_at)
    assert send_due() == 2
    assert len(reader(settings.TELEMETRY_ALARM_BUS_URL)("notifications.info")) == 2


@pytest.mark.rabbitmq
def test_a_queue_that_is_there_otherwise_is_used_as_it_is(rabbit: Read, settings: Any) -> None:
    exchange = Exchange("aodh", "topic", durable=False)
    with Connection(settings.TELEMETRY_ALARM_BUS_URL) as connection:
        Queue("pager", exchange, "pager", durable=False)(connection).declare()
    assert fire("queue://pager").status == Delivery.DELIVERED
    assert len(rabbit("pager")) == 1


def test_without_a_bus_nothing_is_written(settings: Any, broker: EmbeddedValkey) -> None:
    settings.TELEMETRY_ALARM_BUS_URL = ""
    lifecycle.set_state(make_alarm(), State.OK, "u1")
    assert not Notification.objects.exists()
    with pytest.raises(DefinitionError, match="must begin with one of"):
        lifecycle.check_actions({"ok_actions": ["queue://pager"]}, "p1", is_admin=True)


def test_who_may_name_which_queue(settings: Any) -> None:
    settings.TELEMETRY_ALARM_BUS_URL = "amqp://bus.example/"
    settings.TELEMETRY_ALARM_QUEUES = ["pager"]
    lifecycle.check_actions({"ok_actions": ["queue://pager"]}, "p1", is_admin=False)
    lifecycle.check_actions({"ok_actions": ["queue://other"]}, "p1", is_admin=True)
    with pytest.raises(DefinitionError, match="for administrators"):
        lifecycle.check_actions({"ok_actions": ["queue://other"]}, "p1", is_admin=False)
    with pytest.raises(DefinitionError, match="a name of letters"):
        lifecycle.check_actions({"ok_actions": ["queue://a@b/c"]}, "p1", is_admin=True)


def test_tenants_do_not_see_what_the_house_has_to_do(settings: Any, broker: EmbeddedValkey) -> None:
    settings.TELEMETRY_ALARM_BUS_URL = "amqp://bus.example/"
    make_alarm(project_id="p1")
    row = Notification.objects.get()
    assert row.destination == "bus"
    tenant = Principal("u1", "u1", roles={"p1": "member"})
    assert not Notification.objects.scope(tenant).exists()
