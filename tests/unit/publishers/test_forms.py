"""Text of the push gateway, points of OTLP, and the limits of a datagram."""

from __future__ import annotations

import base64

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2
from prometheus_client.parser import text_string_to_metric_families

from pollers.publishers.errors import Refused
from pollers.publishers.schemes.otlp import request
from pollers.publishers.schemes.prometheus import exposition, grouping
from tests.support.published import AT_US, sample, sink


def test_the_exposition_reads_back() -> None:
    odd = 'a"b\\c\nd'
    text = exposition(
        [
            sample("disk.device.read-bytes", odd, 3.0, type="cumulative"),
            sample("9lives", "r2"),
            sample("disk.device.read-bytes", "r3", 4.0, type="cumulative"),
            sample("d", "r4", 0.25, type="delta"),
        ]
    ).decode()
    families = {one.name: one for one in text_string_to_metric_families(text)}

    assert {name: family.type for name, family in families.items()} == {
        "disk_device_read_bytes": "counter", "_9lives": "gauge", "d": "unknown",
    }  # fmt: skip
    assert [
        (one.labels["resource_id"], one.value) for one in families["disk_device_read_bytes"].samples
    ] == [(odd, 3.0), ("r3", 4.0)]


@pytest.mark.parametrize("value", ["", "a/b", "/"])
def test_a_group_that_no_path_can_hold_goes_as_base64(value: str) -> None:
    name, _, encoded = grouping("resource_id", value).partition("/")

    assert name == "resource_id@base64"
    assert base64.urlsafe_b64decode(encoded if value else "") == value.encode()
    assert grouping("resource_id", "a b?") == "resource_id/a%20b%3F"


def test_kinds_of_meters_in_otlp() -> None:
    made = request(
        [
            sample("memory"), sample("cpu", type="cumulative"), sample("net", type="delta"),
            sample("memory", "r2", 2.5),
        ]
    ).resource_metrics[0].scope_metrics[0].metrics  # fmt: skip
    memory, cpu, net = made

    assert (memory.name, memory.unit) == ("memory", "ns")
    first, second = memory.gauge.data_points
    assert (first.as_double, second.as_double) == (1.5, 2.5)
    assert first.time_unix_nano == AT_US * 1000
    assert {one.key: one.value.string_value for one in second.attributes} == {
        "resource_id": "r2", "user_id": "u1", "project_id": "p1",
    }  # fmt: skip
    assert cpu.sum.is_monotonic
    assert cpu.sum.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert not net.sum.is_monotonic
    assert net.sum.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_DELTA


def test_what_no_datagram_holds_is_refused() -> None:
    with pytest.raises(Refused, match="do not fit a datagram"):
        sink("udp://127.0.0.1:9").send_samples([sample(metadata={"x": "y" * 66_000})])
