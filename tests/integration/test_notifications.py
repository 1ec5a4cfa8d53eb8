"""Notifications on real parts: oslo.messaging → RabbitMQ → consumer process → spool → conversion.

The producer is the library that OpenStack's services use, the consumer the real command. What
the spool holds is converted by the worker's own function.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import amqp
import pytest
from kombu import Connection

from meters import wire
from pollers.notification.bus import Layout, bus
from pollers.notification.packing import Tally
from pollers.notification.producer import send
from pollers.notification.tasks import convert_payload
from telemetry_site.embedded.valkey import EmbeddedValkey
from tests.rabbitmq import RabbitNode
from tests.support.notifications import Result, instance, volume
from tests.support.oslo import Notify, notifying

pytestmark = pytest.mark.rabbitmq

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
EXCHANGES = ("nova", "openstack")


class Consumer:
    """The consumer as a process of its own, with a spool of its own."""

    def __init__(self, url: str, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.url = url
        self._environment = environment
        self.log = home / "consumer.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **extra: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(MANAGE), "consume_notifications"],
                env={**self._environment, **extra}, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def connections(self) -> int:
        return self.text().count("notification bus connected")

    def spooled(self) -> list[wire.RawBatch]:
        """The raw batches on disk, oldest first."""
        directory = self.home / "spool" / "notification.test"
        if not directory.is_dir():
            return []
        bodies = [path.read_bytes().partition(b"\n") for path in sorted(directory.glob("*.b"))]
        raws = [body for header, _, body in bodies if json.loads(header)["kind"] == "raw"]
        return [wire.decode_raw_batch(body) for body in raws]

    def reports(self) -> list[wire.PollReport]:
        directory = self.home / "spool" / "notification.test"
        bodies = [path.read_bytes().partition(b"\n") for path in sorted(directory.glob("*.b"))]
        batches = [
            wire.decode_batch(body)
            for header, _, body in bodies
            if json.loads(header)["kind"] == "batch"
        ]
        return [report for batch in batches for report in batch.reports]

    def wait_for_messages(self, number: int) -> list[Result]:
        """Wait until so many messages are spooled; returns what the workers make of each file."""
        wait_until(
            lambda: sum(len(raw.messages) for raw in self.spooled()) >= number,
            f"{number} spooled messages", self,
        )  # fmt: skip
        return [Result(convert_payload(wire.encode(raw))[0], Tally()) for raw in self.spooled()]


def wait_until(
    holds: Callable[[], bool], what: str, consumer: Consumer, within: float = 30
) -> None:
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} within {within} s:\n{consumer.text()[-3000:]}")
        time.sleep(0.1)


@pytest.fixture
def bus_url(rabbitmq: RabbitNode) -> str:
    """A virtual host of the test's own."""
    return rabbitmq.add_vhost(uuid.uuid4().hex)


@pytest.fixture
def consumer(bus_url: str, broker: EmbeddedValkey, tmp_path: Path) -> Iterator[Consumer]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "telemetry_site.settings.agent",
        "TELEMETRY_HOME": str(tmp_path),
        "TELEMETRY_ROLE": "notification",
        "TELEMETRY_AGENT_ID": "notification.test",
        "TELEMETRY_POLL_INTERVAL": "1",
        "TELEMETRY_NOTIFICATION_URLS": bus_url,
        "TELEMETRY_NOTIFICATION_EXCHANGES": ",".join(EXCHANGES),
        "BROKER_URL": broker.url(),
    }
    running = Consumer(bus_url, tmp_path, environment)
    yield running
    running.kill()


@pytest.fixture
def notifier(bus_url: str) -> Iterator[Notify]:
    with notifying(bus_url) as notify:
        yield notify


def queue_depth(rabbitmq: RabbitNode, url: str, queue: str = "notifications.info") -> int:
    """Messages that the bus still holds, taken by someone or not."""
    listed = rabbitmq.control(
        "list_queues", "-p", url.rpartition("/")[2], "name", "messages", "--no-table-headers"
    )
    return sum(int(line.split()[1]) for line in listed.splitlines() if line.split()[0] == queue)


def all_events(results: list[Result]) -> list[wire.Event]:
    return [event for result in results for event in result.events]


def all_samples(results: list[Result]) -> dict[str, float]:
    return {row["meter"]: row["volume"] for result in results for row in result.rows}


def test_what_services_send_becomes_events_and_samples(
    consumer: Consumer, notifier: Notify, rabbitmq: RabbitNode
) -> None:
    consumer.start()
    notifier(instance(), "nova")
    notifier(volume(), "openstack")  # where cinder sends unless it is told otherwise

    results = consumer.wait_for_messages(2)

    assert sorted(event.event_type for event in all_events(results)) == [
        "compute.instance.create.end",
        "volume.create.end",
    ]
    assert all_samples(results) == {
        "memory": 2048.0,
        "vcpus": 1.0,
        "disk.root.size": 20.0,
        "disk.ephemeral.size": 5.0,
        "compute.instance.booting.time": 11.7,
        "volume.size": 1.0,
    }
    traits = {
        trait.name: trait.value
        for event in all_events(results)
        for trait in event.traits
        if event.event_type.startswith("compute")
    }
    assert traits["request_id"] == "req-0a000000-0000-4000-8000-000000000001"
    wait_until(lambda: queue_depth(rabbitmq, consumer.url) == 0, "acknowledgement", consumer)
    assert consumer.stop() == 0


def by_tls(rabbitmq: RabbitNode, url: str, authority: str) -> dict[str, str]:
    """Settings by which the consumer reaches the same virtual host by TLS."""
    return {
        "TELEMETRY_NOTIFICATION_URLS": rabbitmq.tls_url(url.rpartition("/")[2]),
        "TELEMETRY_NOTIFICATION_CACERT": str(rabbitmq.directory / authority),
    }


def test_a_bus_is_consumed_by_tls(
    consumer: Consumer, notifier: Notify, rabbitmq: RabbitNode
) -> None:
    consumer.start(**by_tls(rabbitmq, consumer.url, "ca.pem"))
    notifier(volume(), "nova")

    assert all_samples(consumer.wait_for_messages(1)) == {"volume.size": 1.0}


def own(rabbitmq: RabbitNode, name: str) -> dict[str, str]:
    """Settings of a certificate of ours."""
    return {
        f"TELEMETRY_NOTIFICATION_{kind}_FILE": str(rabbitmq.directory / f"{name}.{ending}")
        for kind, ending in (("CERT", "pem"), ("KEY", "key"))
    }


def test_a_broker_that_asks_is_shown_who_we_are(consumer: Consumer, rabbitmq: RabbitNode) -> None:
    consumer.start(**by_tls(rabbitmq, consumer.url, "ca.pem"), **own(rabbitmq, "other"))
    wait_until(lambda: consumer.connections() == 1, "the connection", consumer)

    assert "CN=other.example" in rabbitmq.control("list_connections", "peer_cert_subject")


def test_a_certificate_of_ours_that_the_broker_does_not_trust_is_told(
    consumer: Consumer, rabbitmq: RabbitNode
) -> None:
    consumer.start(**by_tls(rabbitmq, consumer.url, "ca.pem"), **own(rabbitmq, "self"))
    wait_until(lambda: "notification bus away" in consumer.text(), "word of it", consumer)

    assert consumer.connections() == 0


def test_a_bus_whose_certificate_nobody_trusts_is_away(
    consumer: Consumer, rabbitmq: RabbitNode
) -> None:
    consumer.start(**by_tls(rabbitmq, consumer.url, "self.pem"))
    wait_until(lambda: "notification bus away" in consumer.text(), "word of it", consumer)

    assert "certificate verify failed" in consumer.text()
    assert consumer.connections() == 0


def test_messages_sent_before_the_consumer_started_are_taken(
    consumer: Consumer, notifier: Notify
) -> None:
    notifier(instance(), "nova")
    consumer.start()

    assert len(all_events(consumer.wait_for_messages(1))) == 1


def test_nothing_is_acknowledged_before_it_is_on_disk(
    consumer: Consumer, notifier: Notify, rabbitmq: RabbitNode
) -> None:
    consumer.start(TELEMETRY_FAILPOINTS="agent.after_take=kill9@1")
    notifier(instance(), "nova")
    assert consumer.process is not None
    assert consumer.process.wait(30) == -signal.SIGKILL

    assert consumer.spooled() == []
    wait_until(lambda: queue_depth(rabbitmq, consumer.url) == 1, "message on the bus", consumer)
    consumer.start()
    (event,) = all_events(consumer.wait_for_messages(1))
    assert event.event_type == "compute.instance.create.end"
    wait_until(lambda: queue_depth(rabbitmq, consumer.url) == 0, "acknowledgement", consumer)


def test_killed_between_disk_and_acknowledgement_the_second_way_of_a_message_is_the_same(
    consumer: Consumer, notifier: Notify
) -> None:
    # Without reports between: their files are renamed, too, and might be the first.
    consumer.start(
        TELEMETRY_FAILPOINTS="agent.after_rename=kill9@1", TELEMETRY_POLL_INTERVAL="86400"
    )
    notifier(instance(), "nova")
    assert consumer.process is not None
    assert consumer.process.wait(30) == -signal.SIGKILL
    consumer.start()

    first, second = consumer.wait_for_messages(2)

    assert first.batch.batch_id != second.batch.batch_id
    assert first.batch.events == second.batch.events
    assert first.batch.samples == second.batch.samples


def test_a_malformed_message_is_rejected_with_its_reason_and_the_next_ones_go_on(
    consumer: Consumer, notifier: Notify, bus_url: str
) -> None:
    consumer.start()
    nameless = {key: value for key, value in instance().items() if key != "message_id"}
    with Connection(bus_url) as connection:
        target = bus(bus_url, Layout(EXCHANGES, ("notifications",)))
        send(target, [nameless], "nova", "notifications")
        for body, content_type in ((b"{not json", "application/json"), (b"\x80\x04.", "")):
            connection.Producer().publish(
                body, exchange="nova", routing_key="notifications.info",
                content_type=content_type or "application/x-python-serialize",
                content_encoding="binary", serializer=None,
            )  # fmt: skip
    notifier(volume(), "nova")

    results = consumer.wait_for_messages(4)
    rejects = [reject for result in results for reject in result.batch.rejects]

    assert [(reject.reason, reject.path) for reject in rejects] == [
        ("schema", "message_id"),
        ("bad_json", ""),
        ("bad_encoding", ""),
    ]
    assert rejects[1].body == b"{not json"
    assert rejects[1].headers["exchange"] == "nova"
    assert all_samples(results) == {"volume.size": 1.0}
    assert consumer.stop() == 0


class RawProperties(amqp.Message):  # type: ignore[misc]
    """A message whose properties are written byte by byte."""

    def __init__(self, body: bytes, properties: bytes) -> None:
        super().__init__(body)
        self._written = properties

    def _serialize_properties(self) -> bytes:
        return self._written


def test_properties_that_can_not_be_read_cost_their_message_and_not_the_consumer(
    consumer: Consumer, notifier: Notify, rabbitmq: RabbitNode
) -> None:
    """Unacknowledged, such a message would come first on every connection that follows."""
    consumer.start()
    wait_until(lambda: consumer.connections() == 1, "connection", consumer)
    with Connection(consumer.url) as connection:
        for properties in (
            b"\x80\x00\x02\xff\xfe",  # content type: no UTF-8
            b"\x20\x00\x00\x00\x00\x0b\x01tT\x10" + b"\0" * 7,  # header: a time in year 36 billion
        ):
            connection.default_channel.basic_publish(
                RawProperties(b"{}", properties), exchange="nova", routing_key="notifications.info"
            )
    notifier(volume(), "nova")

    results = consumer.wait_for_messages(3)
    rejects = [reject for result in results for reject in result.batch.rejects]

    assert [reject.reason for reject in rejects] == ["bad_encoding", "bad_encoding"]
    assert all("properties of the message can't be read" in one.detail for one in rejects)
    assert all_samples(results) == {"volume.size": 1.0}
    wait_until(lambda: queue_depth(rabbitmq, consumer.url) == 0, "acknowledgement", consumer)
    assert consumer.connections() == 1
    assert consumer.stop() == 0


def test_a_compressed_message_is_not_inflated_by_the_consumer(
    consumer: Consumer, bus_url: str
) -> None:
    """A bomb must meet the worker's limit, not the consumer's memory."""
    consumer.start()
    wait_until(lambda: consumer.connections() == 1, "connection", consumer)
    bomb = b"0" * (8 << 20)
    with Connection(bus_url) as connection:
        producer = connection.Producer()
        for body in (json.dumps(volume()).encode(), bomb):
            producer.publish(
                body, exchange="nova", routing_key="notifications.info",
                content_type="application/json", content_encoding="utf-8", compression="gzip",
            )  # fmt: skip

    results = consumer.wait_for_messages(2)

    assert sum(len(m.body) for raw in consumer.spooled() for m in raw.messages) < 64 * 1024
    assert all_samples(results) == {"volume.size": 1.0}
    (reject,) = [reject for result in results for reject in result.batch.rejects]
    assert reject.reason == "item_too_large"


def test_queues_declared_otherwise_are_used_as_they_are(
    consumer: Consumer, bus_url: str, rabbitmq: RabbitNode
) -> None:
    durable = Layout(("nova",), ("notifications",), durable=True)
    send(bus(bus_url, durable), [volume()], "nova", "notifications")
    consumer.start()

    results = consumer.wait_for_messages(1)

    assert all_samples(results) == {"volume.size": 1.0}
    wait_until(lambda: bool(consumer.reports()), "report", consumer)
    report = consumer.reports()[0]
    differs = " ".join(report.details["differs"])
    assert "exchange nova is used as it is: PRECONDITION_FAILED" in differs
    assert "queue notifications.info is used as it is: PRECONDITION_FAILED" in differs
    assert "PRECONDITION_FAILED" in consumer.text()


def test_a_bus_reports_each_interval_what_was_taken_without_its_password(
    consumer: Consumer, notifier: Notify
) -> None:
    consumer.start()
    notifier(volume(), "nova")
    wait_until(lambda: any(report.samples for report in consumer.reports()), "report", consumer)
    report = next(report for report in consumer.reports() if report.samples)

    assert (report.kind, report.samples, report.outcome) == ("notification", 1, "ok")
    assert report.source.startswith("amqp://127.0.0.1:")
    assert "guest" not in report.source
    assert "guest:guest" not in consumer.text()


def test_several_buses_exchanges_and_topics_are_taken_at_once(
    consumer: Consumer, rabbitmq: RabbitNode
) -> None:
    other = rabbitmq.add_vhost(uuid.uuid4().hex)
    consumer.start(
        TELEMETRY_NOTIFICATION_URLS=f"{consumer.url},{other}",
        TELEMETRY_NOTIFICATION_TOPICS="notifications,telemetry",
    )
    wait_until(lambda: consumer.connections() == 2, "connections", consumer)
    layout = Layout(EXCHANGES, ("notifications", "telemetry"))
    sent = [
        (url, exchange, topic)
        for url in (consumer.url, other)
        for exchange in EXCHANGES
        for topic in layout.topics
    ]
    for number, (url, exchange, topic) in enumerate(sent):
        message = {**volume(), "message_id": f"m{number}"}
        send(bus(url, layout), [message], exchange, topic)

    events = all_events(consumer.wait_for_messages(len(sent)))

    assert sorted(event.message_id for event in events) == sorted(
        f"m{number}" for number in range(len(sent))
    )
    assert {raw.source for raw in consumer.spooled()} == {
        bus(url, layout).name for url in (consumer.url, other)
    }
    assert consumer.stop() == 0


def test_several_consumers_share_a_bus_and_say_so(
    consumer: Consumer, bus_url: str, tmp_path: Path
) -> None:
    environment = {**consumer._environment, "TELEMETRY_HOME": str(tmp_path / "second")}
    second = Consumer(bus_url, tmp_path / "second", environment)
    second.home.mkdir()
    try:
        for one in (consumer, second):
            one.start(TELEMETRY_NOTIFICATION_PREFETCH="5")
        for one in (consumer, second):
            wait_until(lambda one=one: one.connections() == 1, "connection", one)
        messages = [{**volume(), "message_id": f"m{number}"} for number in range(100)]
        send(bus(bus_url, Layout(EXCHANGES, ("notifications",))), messages, "nova", "notifications")
        wait_until(
            lambda: taken(consumer) + taken(second) >= len(messages), "all messages", consumer
        )
        wait_until(
            lambda: any("shared" in one.details for one in second.reports()), "word of it", second
        )
    finally:
        second.kill()

    assert taken(consumer) + taken(second) == len(messages)
    assert min(taken(consumer), taken(second)) > 10
    report = next(one for one in reversed(second.reports()) if "shared" in one.details)
    assert report.details["shared"]["notifications.info"] == "2 consumers"
    assert report.details["heard"]["nova"].endswith(" UTC")


def taken(consumer: Consumer) -> int:
    return sum(len(raw.messages) for raw in consumer.spooled())


def test_a_consumer_outlives_its_bus(
    consumer: Consumer, notifier: Notify, rabbitmq: RabbitNode
) -> None:
    consumer.start()
    notifier(volume(), "nova")
    consumer.wait_for_messages(1)
    rabbitmq.stop()
    try:
        wait_until(
            lambda: any(report.outcome == "error" for report in consumer.reports()),
            "report of the loss", consumer,
        )  # fmt: skip
    finally:
        rabbitmq.start()
    wait_until(
        lambda: consumer.text().count("notification bus connected") == 2,
        "reconnection",
        consumer,
        60,
    )
    notifier(instance(), "nova")

    assert all_samples(consumer.wait_for_messages(2))["memory"] == 2048
    assert consumer.text().count("notification bus away") == 1
    assert "Traceback" not in consumer.text()
    assert consumer.stop() == 0


def test_a_full_spool_leaves_the_messages_on_their_bus(
    consumer: Consumer, notifier: Notify, rabbitmq: RabbitNode
) -> None:
    spool = consumer.home / "spool" / "notification.test"
    consumer.start()
    wait_until(lambda: consumer.connections() == 1, "connection", consumer)
    blocked = spool / "tmp"
    wait_until(blocked.is_dir, "spool", consumer)
    blocked.rename(spool / "away")  # no file can be written now
    notifier(volume(), "nova")
    wait_until(lambda: "spool full" in consumer.text(), "word of it", consumer)
    notifier(instance(), "nova")
    time.sleep(1)

    assert queue_depth(rabbitmq, consumer.url) == 2
    (spool / "away").rename(blocked)
    assert set(all_samples(consumer.wait_for_messages(2))) >= {"volume.size", "memory"}
    wait_until(lambda: queue_depth(rabbitmq, consumer.url) == 0, "acknowledgement", consumer)
    assert "spool has room again" in consumer.text()


def test_without_a_bus_the_command_says_how_to_set_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(MANAGE), "consume_notifications"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "telemetry_site.settings.agent",
             "TELEMETRY_HOME": str(tmp_path), "TELEMETRY_NOTIFICATION_URLS": ""},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "TELEMETRY_NOTIFICATION_URLS=amqp://" in done.stderr
    assert "Traceback" not in done.stderr
