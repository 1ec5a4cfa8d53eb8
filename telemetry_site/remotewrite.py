"""The message of Prometheus' remote write, version 1, by the numbers of the public format
(prompb/remote.proto and prompb/types.proto): labels, and samples whose times are in milliseconds.

Fields that are not told of are skipped in reading.
"""

from __future__ import annotations

from telemetry_site.protobuf import DOUBLE, INT64, STRING, field, message_class

_MESSAGES = {
    "Label": [field("name", 1, STRING), field("value", 2, STRING)],
    "Sample": [field("value", 1, DOUBLE), field("timestamp", 2, INT64)],
    "TimeSeries": [field("labels", 1, "Label", True), field("samples", 2, "Sample", True)],
    "WriteRequest": [field("timeseries", 1, "TimeSeries", True)],
}
WriteRequest = message_class("telemetry.remotewrite", _MESSAGES, "WriteRequest")
