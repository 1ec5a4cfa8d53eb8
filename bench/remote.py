"""The same series by remote write to us and to others, and the same questions asked of each."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import numpy as np
import numpy.typing as npt

from bench.peers.promlike import WRITE_HEADERS

STEP_S = 300
#: Of gnocchi's basic mode: the name `admin`, no password.
AS_ADMIN = {"Authorization": f"Basic {base64.b64encode(b'admin:').decode()}"}
#: A sample's bytes: a tag and the double, a tag and the time in ms as a varint of six bytes.
_SAMPLE_BYTES, _VALUE_AT, _TIME_AT, _VARINT_BYTES = 16, 1, 10, 6

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Encoder:
    """`WriteRequest`s with one sample of each series: a pattern in which these are put in place."""

    def __init__(self, labels: Sequence[dict[str, str]]) -> None:
        from telemetry_site.remotewrite import WriteRequest

        pattern, ends = bytearray(), []
        for names in labels:
            one = WriteRequest()
            series = one.timeseries.add()
            for name in sorted(names):
                series.labels.add(name=name, value=names[name])
            series.samples.add(value=1.0, timestamp=1 << (7 * _VARINT_BYTES - 1))
            pattern += one.SerializeToString()
            ends.append(len(pattern))
        self._pattern = np.frombuffer(bytes(pattern), dtype=np.uint8)
        self._samples = np.array(ends)[:, None] - _SAMPLE_BYTES

    def encode(self, times_us: Ints, values: Floats) -> bytes:
        """One request, compressed; both by series."""
        import cramjam

        body = self._pattern.copy()
        body[self._samples + _VALUE_AT + np.arange(8)] = (
            values.astype("<f8").view(np.uint8).reshape(-1, 8)
        )
        places = np.arange(_VARINT_BYTES)
        varints = (times_us[:, None] // 1000 >> 7 * places) & 127
        varints[:, :-1] |= 128
        body[self._samples + _TIME_AT + places] = varints
        return bytes(cramjam.snappy.compress_raw(body.tobytes()))


class Client:
    """One connection that is kept; `headers` go with each request."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self.headers = headers or {}
        self._prefix = parts.path
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        self._connection.request(method, self._prefix + path, body, self.headers | headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content

    def clocked(self, method: str, path: str, body: bytes | None = None, **headers: str) -> float:
        """Seconds until the answer was read."""
        began = time.perf_counter()
        self.ask(method, path, body, **headers)
        return time.perf_counter() - began


class Answering(Protocol):
    """Something that takes remote write and tells a series' means of five minutes."""

    def write(self, body: bytes) -> float:
        """Seconds."""

    def range(self, number: int, start_us: int, stop_us: int) -> tuple[float, int]:
        """Seconds, and how many means came, of the series with this number."""


class PromLike:
    def __init__(self, url: str, series: Sequence[dict[str, str]]) -> None:
        self._client = Client(url)
        self._series = series

    def write(self, body: bytes) -> float:
        return self._client.clocked("POST", "/api/v1/write", body, **WRITE_HEADERS)

    def range(self, number: int, start_us: int, stop_us: int) -> tuple[float, int]:
        """A mean at a time is that of the five minutes before it; VictoriaMetrics without cache."""
        labels = dict(self._series[number])
        name = labels.pop("__name__")
        chosen = ",".join(f'{key}="{value}"' for key, value in labels.items())
        question = {
            "query": f"avg_over_time({name}{{{chosen}}}[{STEP_S}s])", "step": STEP_S, "nocache": 1,
            "start": start_us / 1e6 + STEP_S, "end": stop_us / 1e6,
        }  # fmt: skip
        began = time.perf_counter()
        answer = self._client.ask("GET", f"/api/v1/query_range?{urlencode(question)}")
        took = time.perf_counter() - began
        (found,) = json.loads(answer)["data"]["result"]
        return took, len(found["values"])


class Ours:
    """Our metric API; `metrics` are the UUIDs of the series."""

    def __init__(self, url: str, metrics: Sequence[str]) -> None:
        self._client = Client(url, AS_ADMIN)
        self._metrics = metrics

    def write(self, body: bytes) -> float:
        return self._client.clocked("POST", "/v1/prometheus/write", body, **WRITE_HEADERS)

    def range(self, number: int, start_us: int, stop_us: int) -> tuple[float, int]:
        question = {
            "aggregation": "mean", "granularity": STEP_S,
            "start": start_us / 1e6, "stop": stop_us / 1e6,
        }  # fmt: skip
        path = f"/v1/metric/{self._metrics[number]}/measures?{urlencode(question)}"
        began = time.perf_counter()
        answer = self._client.ask("GET", path)
        return time.perf_counter() - began, len(json.loads(answer))


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{p}_ms": float(np.percentile(seconds, p)) * 1000 for p in (50, 99)}


def written(samples_a_body: int, seconds: Sequence[float]) -> dict[str, Any]:
    """What posting bodies came to, one after the other on one connection."""
    return {
        "samples_per_s": samples_a_body * len(seconds) / sum(seconds),
        **milliseconds(seconds),
        "requests": len(seconds),
        "samples_a_request": samples_a_body,
    }


def ranges(
    one: Answering, spans: dict[str, tuple[int, int]], series: int, questions: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """(span, its latencies). Each question is of another series, so none is asked twice."""
    for name, (start_us, stop_us) in spans.items():
        expected = (stop_us - start_us) // (STEP_S * 1_000_000)
        found = [
            one.range(number * 7 % series, start_us, stop_us) for number in range(questions + 2)
        ]
        for _, means in found:
            if not expected - 2 <= means <= expected + 2:
                raise SystemExit(f"{type(one).__name__}: {means} means for {expected} steps.")
        yield name, milliseconds([took for took, _ in found[2:]]) | {"points": expected}
