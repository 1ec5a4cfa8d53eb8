"""Each kind of target against a receiver that is real: sockets, HTTP servers, RabbitMQ, a push
gateway, the Kafka protocol."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import confluent_kafka
import cramjam
import msgspec
import pytest
from kombu import Connection, Queue
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from pollers.publishers.errors import Refused, TargetError, Unreachable
from pollers.publishers.items import event_dict, event_message, metering_message, sample_dict
from telemetry_site.remotewrite import WriteRequest
from telemetry_site.signatures import is_signed
from tests.support.ports import free_port
from tests.support.published import AT_US, event, sample, sink, tcp_receiver
from tests.support.webhooks import Receiver, Request, answering, receiver

SAMPLES = [sample("cpu", "r1"), sample("memory", "r2", 2.0), sample("cpu", "r3")]


# --- http --------------------------------------------------------------------------------------


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver(answering(200)) as one:
        yield one


def test_http_posts_arrays_of_samples_and_of_events(web: Receiver) -> None:
    url = f"http://u:p%40s@127.0.0.1:{web.port}/in?max_retries=2&timeout=3&token=t"
    made = sink(url)
    made.send_samples(SAMPLES)
    made.send_events([event("e1"), event("e2")])
    first, second = web.requests

    assert first.line == "POST /in?token=t HTTP/1.1"
    assert first.headers["content-type"] == "application/json"
    assert first.headers["authorization"] == "Basic dTpwQHM="
    assert json.loads(first.body) == [sample_dict(one) for one in SAMPLES]
    assert json.loads(second.body) == [event_dict(event("e1")), event_dict(event("e2"))]


def test_http_one_each_and_of_events_only_what_the_service_sent(web: Receiver) -> None:
    made = sink(web.url("/in?batch=false&raw_only=true"))
    assert made.most == 1
    made.send_samples(SAMPLES[:1])
    made.send_events([event("e1")])

    assert [json.loads(one.body) for one in web.requests] == [
        sample_dict(SAMPLES[0]), {"volume_id": "e1"},
    ]  # fmt: skip


@pytest.mark.parametrize("status", [400, 413, 422])
def test_http_what_is_wrong_with_the_delivery_is_refused(status: int) -> None:
    with receiver(answering(status, body="no\nsuch field")) as web, pytest.raises(Refused) as said:
        sink(web.url()).send_samples(SAMPLES)
    assert str(said.value) == f"answered {status}: no such field"


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
def test_http_what_can_be_mended_there_waits(status: int) -> None:
    with (
        receiver(answering(status, headers="Location: http://127.0.0.1:1/\r\n")) as web,
        pytest.raises(Unreachable, match=str(status)),
    ):
        sink(web.url()).send_samples(SAMPLES)


def test_http_nobody_there_and_the_metadata_service() -> None:
    with pytest.raises(Unreachable, match="refused"):
        sink(f"http://127.0.0.1:{free_port()}/").send_samples(SAMPLES)
    with pytest.raises(Unreachable, match="its own secrets"):
        sink("http://169.254.169.254/latest").send_samples(SAMPLES)


# --- remote write ------------------------------------------------------------------------------


def written(request: Request) -> dict[str, list[tuple[int, float]]]:
    """{labels in their order: [(milliseconds, value)]} of what Prometheus would get."""
    made = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(request.body)))
    return {
        ",".join(f"{label.name}={label.value}" for label in one.labels): [
            (row.timestamp, row.value) for row in one.samples
        ]
        for one in made.timeseries
    }


def test_remote_write_a_series_a_meter_and_resource_in_the_order_of_time(web: Receiver) -> None:
    at_ms = AT_US // 1000
    made = sink(f"remotewrite://127.0.0.1:{web.port}/api/v1/write")
    nobodys = sample("2.x-y")
    nobodys = replace(nobodys, resource=msgspec.structs.replace(nobodys.resource, user_id=None))
    made.send_samples([
        sample("cpu", volume=3.0, timestamp_us=AT_US + 2000), sample("cpu"), nobodys,
        sample("cpu", volume=2.0, timestamp_us=AT_US + 100),  # in the same millisecond
    ])  # fmt: skip
    (request,) = web.requests

    assert request.line == "POST /api/v1/write HTTP/1.1"
    assert request.headers["content-encoding"] == "snappy"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["x-prometheus-remote-write-version"] == "0.1.0"
    assert written(request) == {
        "__name__=cpu,project_id=p1,resource_id=r1,user_id=u1": [(at_ms, 2.0), (at_ms + 2, 3.0)],
        "__name__=_2_x_y,project_id=p1,resource_id=r1": [(at_ms, 1.5)],
    }


def test_remote_write_needs_a_path(web: Receiver) -> None:
    with pytest.raises(TargetError, match="/api/v1/write"):
        sink(f"remotewrite://127.0.0.1:{web.port}")


# --- sockets and files -------------------------------------------------------------------------


def test_udp_a_datagram_a_sample() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        made = sink(f"udp://127.0.0.1:{listener.getsockname()[1]}", "s3cret")
        made.send_samples(SAMPLES)
        found = [msgspec.msgpack.decode(listener.recv(65_536)) for _ in SAMPLES]

    assert found == [metering_message(one, "s3cret") for one in SAMPLES]
    assert all(is_signed(one, "s3cret") for one in found)
    with pytest.raises(Unreachable, match="Connection refused"):
        made.send_samples(SAMPLES)


def test_tcp_frames_and_a_receiver_that_comes_back() -> None:
    with tcp_receiver() as first:
        made = sink(f"tcp://127.0.0.1:{first.port}")
        made.send_samples(SAMPLES)
        made.send_samples(SAMPLES[:1])
        wait(lambda: len(first.messages) == 4)
    with pytest.raises(Unreachable):
        made.send_samples(SAMPLES)
    with tcp_receiver(first.port) as again:
        made.send_samples(SAMPLES)
        wait(lambda: len(again.messages) == 3)
    made.close()

    publisher = first.messages[0].pop("publisher_id")
    assert publisher
    assert first.messages[0] == metering_message(SAMPLES[0], "")
    assert {one["publisher_id"] for one in again.messages} == {publisher}


def test_file_lines_rotation_and_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "samples"
    path.write_text('{"cut": ')
    size = len(msgspec.json.encode(sample_dict(SAMPLES[0])))
    made = sink(f"file://{path}?json&max_bytes={int(size * 2.5)}&backup_count=2")
    made.send_samples(SAMPLES[:1])
    made.send_events([event()])
    for _ in range(5):
        made.send_samples(SAMPLES[:1])

    assert sorted(one.name for one in tmp_path.iterdir()) == ["samples", "samples.1", "samples.2"]
    assert all(one.stat().st_size <= size * 2.5 for one in tmp_path.iterdir())
    for file in tmp_path.iterdir():
        assert {json.loads(line)["name"] for line in file.read_text().splitlines()} == {"cpu"}
    plain = tmp_path / "plain"
    plain.write_text('{"cut": ')
    made = sink(f"file://{plain}")
    made.send_events([event()])
    made.send_samples(SAMPLES)
    lines = plain.read_text().splitlines()
    assert lines[0] == '{"cut": '
    assert [json.loads(line) for line in lines[1:]] == [
        event_dict(event()), *(sample_dict(one) for one in SAMPLES),
    ]  # fmt: skip
    made = sink(f"file://{tmp_path}/no/such/directory")
    with pytest.raises(Unreachable, match="No such file"):
        made.send_samples(SAMPLES)


# --- OTLP and the push gateway -----------------------------------------------------------------


def test_otlp_is_protobuf_and_points_that_were_not_taken_are_refused(web: Receiver) -> None:
    url = f"opentelemetryhttp://127.0.0.1:{web.port}/v1/metrics"
    sink(url).send_samples(SAMPLES)
    [request] = web.requests

    assert request.line == "POST /v1/metrics HTTP/1.1"
    assert request.headers["content-type"] == "application/x-protobuf"
    sent = ExportMetricsServiceRequest.FromString(request.body)
    assert [one.name for one in sent.resource_metrics[0].scope_metrics[0].metrics] == [
        "cpu", "memory",
    ]  # fmt: skip

    partial = ExportMetricsServiceResponse()
    partial.partial_success.rejected_data_points = 1
    partial.partial_success.error_message = "too old"
    body = partial.SerializeToString()

    def answer(*_: Any) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    with receiver(answer) as strict, pytest.raises(Refused, match="1 points not taken: too old"):
        sink(f"opentelemetryhttp://127.0.0.1:{strict.port}/v1/metrics").send_samples(SAMPLES)


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """A real push gateway; its address."""
    program = shutil.which("prometheus-pushgateway")
    if program is None:
        pytest.skip("prometheus-pushgateway is not installed (deploy/apt-test.txt)")
    place = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [program, f"--web.listen-address={place}", "--log.level=error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait(lambda: bool(pushed(place)))
        yield place
    finally:
        process.kill()
        process.wait()


def pushed(place: str) -> list[str]:
    """Lines of its exposition; none while it is not up."""
    try:
        with urllib.request.urlopen(f"http://{place}/metrics", timeout=5) as answer:
            return [line for line in answer.read().decode().splitlines() if "_id=" in line or line]
    except OSError:
        return []


def test_a_push_gateway_has_a_group_a_resource_or_the_one_that_is_named(gateway: str) -> None:
    odd = sample("disk.read", 'a/b "x"', 7.0, type="cumulative")
    sink(f"prometheus://{gateway}/metrics/job/one").send_samples([*SAMPLES, odd])
    sink(f"prometheus://{gateway}/metrics/job/two/zone/z1").send_samples(SAMPLES[:2])
    lines = pushed(gateway)

    labels = 'instance="",job="one",project_id="p1",resource_id="{}",user_id="u1"'
    odd_labels = labels.format('a/b \\"x\\"')
    assert f"memory{{{labels.format('r2')}}} 2" in lines
    assert f"disk_read{{{odd_labels}}} 7" in lines
    assert "# TYPE disk_read counter" in lines
    assert (
        'memory{instance="",job="two",project_id="p1",resource_id="r2",user_id="u1",zone="z1"} 2'
        in lines
    )
    with pytest.raises(Refused, match="answered 400"):
        sink(f"prometheus://{gateway}/metrics/job/one").send_samples(
            [sample("cpu", "r1", type="cumulative")]
        )


# --- buses -------------------------------------------------------------------------------------


@pytest.fixture
def bus(vhost: str) -> str:
    return vhost


def taken(url: str, queue: str) -> list[dict[str, Any]]:
    """Messages of a queue, out of their envelopes."""
    found = []
    with Connection(url) as connection, connection.channel() as channel:
        waiting = Queue(queue, no_declare=True).bind(channel)
        while (message := waiting.get(no_ack=True)) is not None:
            found.append(json.loads(json.loads(message.body)["oslo.message"]))
    return found


@pytest.mark.rabbitmq
def test_notifier_sends_lists_that_wait_for_who_reads_them(bus: str) -> None:
    made = sink(bus.replace("amqp://", "notifier://") + "?per_meter_topic=1", "s3cret")
    made.send_samples(SAMPLES)
    made.send_events([event()])
    made.close()
    metering, of_cpu, of_memory = taken(bus, "metering.sample")
    [events] = taken(bus, "event.sample")

    assert metering["event_type"] == "metering"
    assert metering["priority"] == "SAMPLE"
    assert metering["publisher_id"].startswith("telemetry.publisher.")
    assert metering["payload"] == [metering_message(one, "s3cret") for one in SAMPLES]
    assert (of_cpu["event_type"], len(of_cpu["payload"])) == ("metering.cpu", 2)
    assert (of_memory["event_type"], len(of_memory["payload"])) == ("metering.memory", 1)
    assert events["payload"] == [event_message(event(), "s3cret")]


@pytest.mark.rabbitmq
def test_notifier_to_topics_of_ones_own_and_nobody_there(bus: str) -> None:
    made = sink(bus.replace("amqp://", "notifier://") + "?topic=a&topic=b")
    made.send_events([event()])
    made.close()

    assert len(taken(bus, "a.sample")) == len(taken(bus, "b.sample")) == 1
    with pytest.raises(Unreachable):
        sink(f"notifier://127.0.0.1:{free_port()}/").send_events([event()])


@pytest.fixture(scope="module")
def kafka() -> Iterator[str]:
    """Brokers inside the client library, that speak Kafka's protocol; their address."""
    host = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none"})
    (broker,) = host.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    host.flush(1)


def test_kafka_a_record_each_in_the_order_of_its_resource(kafka: str) -> None:
    topic = f"t{uuid.uuid4().hex}"
    made = sink(f"kafka://{kafka}/?topic={topic}", "s3cret")
    made.send_samples(SAMPLES)
    made.send_events([event()])
    made.close()
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": kafka, "group.id": "g", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found = []
    deadline = time.monotonic() + 30
    while len(found) < 4 and time.monotonic() < deadline:
        found += [one for one in consumer.consume(10, timeout=0.5) if one.error() is None]
    consumer.close()

    records = {one.key().decode(): json.loads(one.value()) for one in found}
    assert records == {
        **{one.resource.id: metering_message(one, "s3cret") for one in SAMPLES},
        "e1": event_message(event(), "s3cret"),
    }


def test_kafka_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pollers.publishers.schemes.kafka.PATIENCE_S", 1.0)
    made = sink(f"kafka://127.0.0.1:{free_port()}/")
    with pytest.raises(Unreachable, match=r"TIMED_OUT|TRANSPORT"):
        made.send_samples(SAMPLES)
    made.close()


def wait(holds: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
