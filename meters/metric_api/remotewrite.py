"""Prometheus' remote write, version 1: snappy over a protobuf `WriteRequest`.

The messages are described here by the numbers of the public format (prompb/remote.proto and
prompb/types.proto); fields that are not told of are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import cramjam
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from meters.metric_api.measures import Batch, Columns
from meters.metric_api.times import LATEST_US

#: What snappy may unfold to.
LARGEST = 64 << 20
_Field: Any = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "telemetry.remotewrite"


class RemoteWriteError(ValueError):
    """What came is no `WriteRequest`."""


#: By their labels. What can't be stored (no number, no time) is left out: staleness marks are NaN.
Written = Batch[dict[str, str]]


def _field(name: str, number: int, kind: int, repeats: bool = False, message: str = "") -> Any:
    label = _Field.LABEL_REPEATED if repeats else _Field.LABEL_OPTIONAL
    field = _Field(name=name, number=number, type=kind, label=label)
    if message:
        field.type_name = f".{_PACKAGE}.{message}"
    return field


def _request_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="telemetry/remotewrite.proto", package=_PACKAGE, syntax="proto3"
    )
    messages = {
        "Label": [_field("name", 1, _Field.TYPE_STRING), _field("value", 2, _Field.TYPE_STRING)],
        "Sample": [
            _field("value", 1, _Field.TYPE_DOUBLE),
            _field("timestamp", 2, _Field.TYPE_INT64),
        ],
        "TimeSeries": [
            _field("labels", 1, _Field.TYPE_MESSAGE, True, "Label"),
            _field("samples", 2, _Field.TYPE_MESSAGE, True, "Sample"),
        ],
        "WriteRequest": [_field("timeseries", 1, _Field.TYPE_MESSAGE, True, "TimeSeries")],
    }
    for name, fields in messages.items():
        file.message_type.add(name=name).field.extend(fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"{_PACKAGE}.WriteRequest")
    return message_factory.GetMessageClass(found)


WriteRequest = _request_class()


def decode(body: bytes) -> Written:
    """Raises `RemoteWriteError`."""
    request = WriteRequest()
    try:
        request.ParseFromString(_unpacked(body))
    except (DecodeError, cramjam.DecompressionError) as error:
        raise RemoteWriteError(f"The body is no WriteRequest: {error}") from error
    labels = [{one.name: one.value for one in series.labels} for series in request.timeseries]
    return _written(labels, [series.samples for series in request.timeseries])


def _unpacked(body: bytes) -> bytes:
    if cramjam.snappy.decompress_raw_len(body) > LARGEST:
        raise RemoteWriteError(f"The body unfolds to more than {LARGEST} bytes")
    return bytes(cramjam.snappy.decompress_raw(body))


def _written(labels: list[dict[str, str]], samples: list[Sequence[Any]]) -> Written:
    lengths = [len(rows) for rows in samples]
    count = sum(lengths)
    every = list(chain.from_iterable(samples))
    moments = np.fromiter((one.timestamp for one in every), dtype=np.int64, count=count)
    numbers = np.fromiter((one.value for one in every), dtype=np.float64, count=count)
    good = np.isfinite(numbers) & (moments >= 0) & (moments <= LATEST_US // 1000)
    if not good.all():
        owner = np.repeat(np.arange(len(lengths)), lengths)
        lengths = np.bincount(owner[good], minlength=len(lengths)).tolist()
    return Batch(labels, lengths, Columns(moments[good] * 1000, numbers[good]))
