"""The scheme opentelemetryhttp: OTLP metrics over HTTP in protobuf, for any OpenTelemetry receiver.

A meter is a metric: gauges stay gauges, cumulative meters are monotonic sums, deltas are sums of
delta temporality. Times are in nanoseconds; resource, user and project are attributes of a point.
"""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2

from pollers.publishers.errors import Refused
from pollers.publishers.items import Sample
from pollers.publishers.schemes.web import WebSink
from telemetry_site import __version__

PROTOBUF = "application/x-protobuf"


class OtlpSink(WebSink):
    options = WebSink.options | {"tls"}
    takes_events = False
    most = 1000

    def send_samples(self, samples: Sequence[Sample]) -> None:
        answer = self.post(self.url, request(samples).SerializeToString(), PROTOBUF)
        refused = _refused(answer)
        if refused:
            raise Refused(refused)


def request(samples: Sequence[Sample]) -> ExportMetricsServiceRequest:
    made = ExportMetricsServiceRequest()
    scope_metrics = made.resource_metrics.add().scope_metrics.add()
    scope_metrics.scope.name = "telemetry"
    scope_metrics.scope.version = __version__
    metrics: dict[tuple[str, str, str], metrics_pb2.Metric] = {}
    for sample in samples:
        key = sample.meter, sample.unit, sample.type
        if key not in metrics:
            metrics[key] = _metric(scope_metrics.metrics.add(), sample)
        _point(_points(metrics[key]).data_points.add(), sample)
    return made


def _metric(metric: metrics_pb2.Metric, sample: Sample) -> metrics_pb2.Metric:
    metric.name = sample.meter
    metric.unit = sample.unit
    if sample.type == "gauge":
        metric.gauge.SetInParent()
    else:
        is_delta = sample.type == "delta"
        metric.sum.is_monotonic = not is_delta
        metric.sum.aggregation_temporality = (
            metrics_pb2.AGGREGATION_TEMPORALITY_DELTA
            if is_delta
            else metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
        )
    return metric


def _points(metric: metrics_pb2.Metric) -> metrics_pb2.Gauge | metrics_pb2.Sum:
    return metric.sum if metric.HasField("sum") else metric.gauge


def _point(point: metrics_pb2.NumberDataPoint, sample: Sample) -> None:
    resource = sample.resource
    point.time_unix_nano = sample.timestamp_us * 1000
    point.as_double = sample.volume
    for name, value in (
        ("resource_id", resource.id),
        ("user_id", resource.user_id),
        ("project_id", resource.project_id),
    ):
        if value is not None:
            attribute = point.attributes.add()
            attribute.key = name
            attribute.value.string_value = value


def _refused(answer: bytes) -> str:
    """What the receiver says it did not take, though it answered that all is well."""
    response = ExportMetricsServiceResponse()
    try:
        response.ParseFromString(answer)
    except DecodeError:
        return ""  # some receivers answer in other forms; the status said that all is well
    partial = response.partial_success
    if not partial.rejected_data_points:
        return ""
    return f"{partial.rejected_data_points} points not taken: {partial.error_message}"
