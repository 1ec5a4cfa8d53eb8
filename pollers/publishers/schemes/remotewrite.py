"""The scheme remotewrite: Prometheus' remote write, version 1, for Prometheus and its relatives.

``remotewrite://host:port/api/v1/write``, with ``tls`` over https. A series is a meter of a
resource: its name as the push gateway's, its labels `resource_id`, `user_id` and `project_id`.
Times are in milliseconds; of a series' samples in one millisecond the last counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cramjam

from pollers.publishers.addresses import Address
from pollers.publishers.errors import TargetError
from pollers.publishers.items import Sample
from pollers.publishers.schemes.prometheus import labels_of, series_name
from pollers.publishers.schemes.web import WebSink
from telemetry_site.remotewrite import WriteRequest

PROTOBUF = "application/x-protobuf"
HEADERS = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
_US_A_MS = 1_000

Labels = tuple[tuple[str, str], ...]


class RemoteWriteSink(WebSink):
    options = WebSink.options | {"tls"}
    takes_events = False
    most = 1000

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        if not address.path.strip("/"):
            raise TargetError("the path is missing: Prometheus' is /api/v1/write")

    def send_samples(self, samples: Sequence[Sample]) -> None:
        body = cramjam.snappy.compress_raw(request(samples).SerializeToString())
        self.post(self.url, bytes(body), PROTOBUF, HEADERS)


def request(samples: Sequence[Sample]) -> Any:
    """The `WriteRequest`: labels in the order of their names, samples in that of time, as the
    protocol wants it."""
    series: dict[Labels, dict[int, float]] = {}
    for sample in samples:
        moments = series.setdefault(_labels(sample), {})
        moments[sample.timestamp_us // _US_A_MS] = sample.volume
    made = WriteRequest()
    for labels, moments in series.items():
        one = made.timeseries.add()
        for name, value in labels:
            one.labels.add(name=name, value=value)
        for moment in sorted(moments):
            one.samples.add(timestamp=moment, value=moments[moment])
    return made


def _labels(sample: Sample) -> Labels:
    """Prometheus knows no empty label: it is as if there were none."""
    labels = {"__name__": series_name(sample.meter), **labels_of(sample)}
    return tuple(sorted((name, value) for name, value in labels.items() if value))
