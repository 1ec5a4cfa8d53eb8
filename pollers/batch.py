"""Collect samples, events, reports and rejects; hand them out as batches within the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from meters import wire
from telemetry_site.clock import now_us

#: Samples in one batch at the most, and their catalogue's bytes: so a batch stays below 1 MiB.
SAMPLES_A_BATCH = 5_000
CATALOGUE_BYTES_A_BATCH = 512 * 1024
#: Events, reports and rejects of one batch. A single one is smaller: see the limits below.
EXTRAS_BYTES_A_BATCH = 512 * 1024
ROW_BYTES = 20
ENVELOPE_BYTES = 2048

ROOM_IN_A_BATCH = wire.MAX_BATCH_BYTES - ENVELOPE_BYTES

MAX_DETAIL = 4096
MAX_ERRORS = 50
MAX_ERROR = 1000


@dataclass
class _Part:
    """One `SampleBatch` in the making. `catalogue_bytes` counts what it takes when encoded."""

    resources: list[wire.Resource] = field(default_factory=list)
    series: list[wire.Series] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    timestamp: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    series_rows: dict[tuple[int, str, str, str, str], int] = field(default_factory=dict)
    catalogue_bytes: int = 0

    def full(self) -> bool:
        return len(self.index) >= SAMPLES_A_BATCH or self.catalogue_bytes >= CATALOGUE_BYTES_A_BATCH

    @property
    def size(self) -> int:
        return self.catalogue_bytes + ROW_BYTES * len(self.index)

    def resource_row(self, resource: wire.Resource, size: int) -> int:
        row = self.rows.get(resource.id)
        if row is None or self.resources[row] != resource:
            row = self.rows[resource.id] = len(self.resources)
            self.resources.append(resource)
            self.catalogue_bytes += size
        return row

    def series_row(self, series: wire.Series) -> int:
        key = (series.resource, series.meter, series.unit, series.type, series.policy)
        row = self.series_rows.get(key)
        if row is None:
            row = self.series_rows[key] = len(self.series)
            self.series.append(series)
            self.catalogue_bytes += _size(series)
        return row

    def append(self, other: _Part) -> None:
        """Take in the other part's samples."""
        resources, series = len(self.resources), len(self.series)
        self.resources += other.resources
        self.series += [
            msgspec.structs.replace(one, resource=one.resource + resources) for one in other.series
        ]
        self.index += [row + series for row in other.index]
        self.timestamp += other.timestamp
        self.value += other.value
        self.catalogue_bytes += other.catalogue_bytes

    def pack(self) -> wire.SampleBatch:
        catalogue = wire.Catalogue(self.resources, self.series)
        return wire.pack_rows(catalogue, self.index, self.timestamp, self.value)


@dataclass
class _Extras:
    """What rides beside the samples of one batch."""

    events: list[wire.Event] = field(default_factory=list)
    reports: list[wire.PollReport] = field(default_factory=list)
    rejects: list[wire.Reject] = field(default_factory=list)
    size: int = 0


class BatchBuilder:
    """Builds the batches of one poll, or of one raw batch of notifications.

    What cannot be stored (no finite number, a time out of bounds, metadata over its limits)
    becomes a `wire.Reject` that names the place, never an exception: one bad thing spoils
    nothing else.
    """

    def __init__(self, agent_id: str, accepts: Callable[[str], bool] | None = None) -> None:
        """`accepts` says which meters are wanted; the others are left out without a word."""
        self.agent_id = agent_id
        self.samples = 0
        #: The time of the poll's slot: that of samples that all agents would give the same time.
        self.slot_us = now_us() // 1000 * 1000
        self._accepts = accepts
        self.events: list[wire.Event] = []
        self.reports: list[wire.PollReport] = []
        self.rejects: list[wire.Reject] = []
        self._parts: list[_Part] = []
        self._checked: dict[int, tuple[wire.Resource, int]] = {}

    def add(
        self,
        resource: wire.Resource,
        meter: str,
        volume: float,
        timestamp_us: int,
        unit: str = "",
        type: wire.SampleType = "gauge",
        policy: str = "",
    ) -> bool:
        """Add one sample. Returns False when it was rejected instead, or is not wanted."""
        if self._accepts is not None and not self._accepts(meter):
            return False
        try:
            wire.check_text(f"{meter}: archive policy", policy)
            size = self._check(resource, meter, volume, timestamp_us, unit, type)
        except wire.WireError as error:
            self.reject(error.reason, str(error), source=resource.id, body=_show(volume).encode())
            return False
        if not self._parts or self._parts[-1].full():
            self._parts.append(_Part())
        part = self._parts[-1]
        series = wire.Series(part.resource_row(resource, size), meter, unit, type, policy)
        row = part.series_row(series)
        part.index.append(row)
        part.timestamp.append(timestamp_us)
        part.value.append(float(volume))
        self.samples += 1
        return True

    def event(self, event: wire.Event) -> bool:
        """Add one event. Returns False when it was rejected instead."""
        try:
            _check_event(event)
        except wire.WireError as error:
            body = repr(event.raw or event).encode("utf-8", "backslashreplace")
            self.reject(error.reason, str(error), source=event.message_id, body=body)
            return False
        self.events.append(event)
        return True

    def report(self, report: wire.PollReport) -> bool:
        """Add a poll's report; texts and details are cut to what a report may hold."""
        report = msgspec.structs.replace(
            report,
            kind=clean(report.kind, 64),
            source=clean(report.source, 1024),
            errors=[clean(error, MAX_ERROR) for error in report.errors[:MAX_ERRORS]],
            details=_fitting(report.details),
        )
        try:
            wire.check_report(f"report of {report.kind}", report)
        except wire.WireError as error:
            self.reject(error.reason, str(error), source=report.source)
            return False
        self.reports.append(report)
        return True

    def reject(
        self,
        reason: str,
        detail: str,
        body: bytes = b"",
        source: str = "",
        path: str = "",
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Add what could not be converted; a body over the limit of one item is cut."""
        if len(body) > wire.MAX_ITEM_BYTES:
            detail = f"{detail} (only {wire.MAX_ITEM_BYTES} of {len(body)} bytes kept)"
            body = body[: wire.MAX_ITEM_BYTES]
        self.rejects.append(
            wire.Reject(
                clean(reason, 32),
                clean(detail, MAX_DETAIL),
                body,
                source=clean(source, 255),
                path=clean(path, wire.MAX_NAME),
                headers=_fitting(headers or {}),
            )
        )

    def batches(self, batch_id: str | None = None) -> list[wire.Batch]:
        """The finished batches, each at most `wire.MAX_BATCH_BYTES`; none where nothing was added.

        Events, reports and rejects ride with the first samples where they fit. With `batch_id`
        all goes into one batch of that id, whatever its size, for its receipt must cover
        everything: the way of a raw batch, whose messages were bounded when it was made. Raises
        `wire.WireError` where that one would break the format's own limits.
        """
        if batch_id is not None:
            everything = _Extras(self.events, self.reports, self.rejects)
            return [self._batch(batch_id, _merged(self._parts), everything)]
        extras = self._packed_extras()
        beside = [_Extras() for _ in self._parts]
        if beside and extras and self._parts[0].size + extras[0].size < ROOM_IN_A_BATCH:
            beside[0] = extras.pop(0)
        parts: list[_Part | None] = [*self._parts, *(None for _ in extras)]
        return [
            self._batch(wire.new_batch_id(), part, some)
            for part, some in zip(parts, beside + extras, strict=True)
        ]

    def _batch(self, batch_id: str, part: _Part | None, extras: _Extras) -> wire.Batch:
        return wire.Batch(
            v=wire.VERSION,
            batch_id=batch_id,
            agent_id=self.agent_id,
            created_at=now_us(),
            samples=part.pack() if part else None,
            events=wire.EventBatch(extras.events) if extras.events else None,
            reports=extras.reports,
            rejects=extras.rejects,
        )

    def _packed_extras(self) -> list[_Extras]:
        """Events, reports and rejects in their order, each group below its limit."""
        packed = [_Extras()]
        for name in ("events", "reports", "rejects"):
            for item in getattr(self, name):
                size = _size(item)
                if packed[-1].size + size > EXTRAS_BYTES_A_BATCH:
                    packed.append(_Extras())
                getattr(packed[-1], name).append(item)
                packed[-1].size += size
        return [extras for extras in packed if extras.size]

    def _check(
        self,
        resource: wire.Resource,
        meter: str,
        volume: float,
        timestamp_us: int,
        unit: str,
        type: str,
    ) -> int:
        """Raise `WireError` unless the sample can be stored; returns the resource's size."""
        wire.check_text("meter", meter, required=True)
        if isinstance(volume, bool) or not isinstance(volume, int | float):
            raise wire.WireError(f"{meter}: {_show(volume)} is not a number")
        if not -wire.MAX_FLOAT <= volume <= wire.MAX_FLOAT:
            raise wire.WireError(f"{meter}: {_show(volume)} is not finite", "not_finite")
        if not wire.EARLIEST_US <= timestamp_us <= wire.LATEST_US:
            raise wire.WireError(f"{meter}: time {_show(timestamp_us)} is not in 1970…2200")
        if type not in wire.SAMPLE_TYPES:
            raise wire.WireError(f"{meter}: type {type!r} is not one of {wire.SAMPLE_TYPES}")
        wire.check_text(f"{meter}: unit", unit)
        return self._resource_size(resource)

    def _resource_size(self, resource: wire.Resource) -> int:
        """Bytes of the encoded resource, which is checked the first time that it comes."""
        known = self._checked.get(id(resource))
        if known is None or known[0] is not resource:
            wire.check_resource("resource", resource)
            known = self._checked[id(resource)] = (resource, _size(resource))
        return known[1]


def clean(text: str, limit: int) -> str:
    """The text without what the store can't hold (NUL, half surrogate pairs), cut to `limit`."""
    encoded = text[:limit].replace("\x00", "\\x00").encode("utf-8", "backslashreplace")
    return encoded.decode()[:limit]


def _merged(parts: list[_Part]) -> _Part | None:
    if not parts:
        return None
    merged = _Part()
    for part in parts:
        merged.append(part)
    return merged


def _check_event(event: wire.Event) -> None:
    """Raises `WireError`, with the event's type in front."""
    where = f"event {clean(event.event_type, wire.MAX_NAME)}"
    wire.check_event(where, event)
    size = _size(event)
    if size > EXTRAS_BYTES_A_BATCH:
        raise wire.WireError(
            f"{where}: {size} bytes, at most {EXTRAS_BYTES_A_BATCH} are allowed", "item_too_large"
        )


def _fitting(document: dict[str, Any]) -> dict[str, Any]:
    """The document, or what is wrong with it where it breaks the limits of metadata."""
    try:
        wire.check_metadata("left out", document)
    except wire.WireError as error:
        return {"error": clean(str(error), MAX_ERROR)}
    return document


def _size(item: msgspec.Struct) -> int:
    return len(msgspec.msgpack.encode(item))


def _show(value: object) -> str:
    """A short repr for a message; Python refuses to print integers beyond 4300 digits."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"an integer of {value.bit_length()} bits"
    return clean(repr(value), 200)
