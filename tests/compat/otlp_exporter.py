"""What OpenTelemetry's SDK measures, sent by its OTLP exporter, read back by the metering API.

Runs in OpenTelemetry's environment (`make compat SUITE=otlp`). The exporter logs where others
raise: a test fails when it logs anything worse than what it expects.
"""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

ROOT, TOKEN = os.environ["COMPAT_ROOT"], os.environ["COMPAT_TOKEN"]
DELTA = dict.fromkeys([Counter, Histogram, UpDownCounter], AggregationTemporality.DELTA)


@contextmanager
def measuring(instance: str, token: str = TOKEN, **options: Any) -> Iterator[Any]:
    """A meter whose measurements are sent when the block ends."""
    views = options.pop("views", [])
    exporter = OTLPMetricExporter(
        endpoint=f"{ROOT}/otlp/v1/metrics", headers={"Authorization": f"Bearer {token}"}, **options
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)
    resource = Resource.create(
        {"service.name": "shop", "service.instance.id": instance, "cpus": 4, "tags": ["a", "b"]}
    )
    provider = MeterProvider(resource=resource, metric_readers=[reader], views=views)
    yield provider.get_meter("compat")
    provider.shutdown()


def fetch(path: str, **query: str) -> Any:
    request = urllib.request.Request(
        f"{ROOT}/metering/v2/{path}?{urlencode(query)}", headers={"X-Auth-Token": TOKEN}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def sent(instance: str) -> dict[str, tuple[str, str, float]]:
    """name → (type, unit, value) of the newest samples of the resource."""
    query = {"q.field": "resource", "q.value": f"shop@{instance}", "q.op": "eq"}
    return {
        one["meter"]: (one["type"], one["unit"], one["volume"]) for one in fetch("samples", **query)
    }


@pytest.fixture
def instance(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    yield f"i-{uuid4()}"
    wrong = [one.getMessage() for one in caplog.records if one.levelno > logging.INFO]
    assert not wrong


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_every_instrument(instance: str, compression: Compression) -> None:
    with measuring(instance, compression=compression) as meter:
        meter.create_counter("requests", unit="{request}").add(3, {"code": 200})
        meter.create_up_down_counter("queue").add(-2)
        meter.create_gauge("temperature", unit="Cel").set(21.5)
        histogram = meter.create_histogram("duration", unit="s")
        histogram.record(0.5, {"route": "/a"})
        histogram.record(1.5, {"route": "/a"})
    assert sent(instance) == {
        "requests@code=200": ("cumulative", "{request}", 3.0),
        "queue": ("gauge", "", -2.0),
        "temperature": ("gauge", "Cel", 21.5),
        "duration.count@route=_a": ("cumulative", "1", 2.0),
        "duration.sum@route=_a": ("cumulative", "s", 2.0),
        "duration.min@route=_a": ("gauge", "s", 0.5),
        "duration.max@route=_a": ("gauge", "s", 1.5),
    }


def test_deltas_and_exponential_histograms(instance: str) -> None:
    view = View(instrument_name="duration", aggregation=ExponentialBucketHistogramAggregation())
    with measuring(instance, preferred_temporality=DELTA, views=[view]) as meter:
        meter.create_counter("requests").add(3)
        meter.create_histogram("duration").record(2.0)
    assert sent(instance) == {
        "requests": ("delta", "", 3.0),
        "duration.count": ("delta", "1", 1.0),
        "duration.sum": ("delta", "", 2.0),
        "duration.min": ("gauge", "", 2.0),
        "duration.max": ("gauge", "", 2.0),
    }


def test_attributes_are_metadata(instance: str) -> None:
    with measuring(instance) as meter:
        meter.create_gauge("t").set(1.0)
    found = fetch(f"resources/shop@{instance}")
    assert found["source"] == "otlp"
    assert found["metadata"]["service.name"] == "shop"
    assert (found["metadata"]["cpus"], found["metadata"]["tags"]) == ("4", "['a', 'b']")


def test_who_may_not_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with measuring("nobody", token="tlm_wrong") as meter:
        meter.create_gauge("t").set(1.0)
    assert "401" in " ".join(one.getMessage() for one in caplog.records)
    assert not sent("nobody")
