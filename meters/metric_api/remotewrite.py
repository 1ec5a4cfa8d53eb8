"""Prometheus' remote write, version 1, read: snappy over a protobuf `WriteRequest`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import cramjam
import numpy as np
from google.protobuf.message import DecodeError

from meters.metric_api.measures import Batch, Columns
from meters.metric_api.times import LATEST_US
from telemetry_site.remotewrite import WriteRequest

#: What snappy may unfold to.
LARGEST = 64 << 20


class RemoteWriteError(ValueError):
    """What came is no `WriteRequest`."""


#: By their labels. What can't be stored (no number, no time) is left out: staleness marks are NaN.
Written = Batch[dict[str, str]]


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
