"""The wire format between agents and collector: one `Batch` a message, msgpack, versioned.

This module is all that agents and collector share. It knows no framework and no database.
Field by field: docs/reference/wire.md.

A `Batch` holds up to four parts, each of which may be absent: `samples` (a catalogue of resources
and series, and three parallel columns of raw little-endian bytes), `events` with typed traits,
`reports` (the outcome of each poll, for the sources page) and `rejects` (input that the agent could
not convert, whole, for the quarantine).

The catalogue travels as bytes of its own (msgpack of `Catalogue`), so that a collector which has
seen the same bytes before resolves a whole batch by one look-up and decodes nothing.

Everything that a decoder refuses raises `WireError`, whose text names the place, e.g.
``samples.value[3]: nan is not finite``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from meters.wire_limits import AGENTS as AGENTS
from meters.wire_limits import EARLIEST_US as EARLIEST_US
from meters.wire_limits import LATEST_US as LATEST_US
from meters.wire_limits import MAX_BATCH_BYTES as MAX_BATCH_BYTES
from meters.wire_limits import MAX_FLOAT as MAX_FLOAT
from meters.wire_limits import MAX_INTEGER as MAX_INTEGER
from meters.wire_limits import MAX_ITEM_BYTES as MAX_ITEM_BYTES
from meters.wire_limits import MAX_MESSAGE_BYTES as MAX_MESSAGE_BYTES
from meters.wire_limits import MAX_METADATA_DEPTH as MAX_METADATA_DEPTH
from meters.wire_limits import MAX_METADATA_VALUE as MAX_METADATA_VALUE
from meters.wire_limits import MAX_NAME as MAX_NAME
from meters.wire_limits import MAX_SAMPLES as MAX_SAMPLES
from meters.wire_limits import MIN_INTEGER as MIN_INTEGER
from meters.wire_limits import RAW_LIMITS as RAW_LIMITS
from meters.wire_limits import STORED as STORED
from meters.wire_limits import Bounds as Bounds
from meters.wire_limits import WireError as WireError
from meters.wire_limits import check_document as check_document
from meters.wire_limits import check_integer as check_integer
from meters.wire_limits import check_metadata as check_metadata
from meters.wire_limits import check_text as check_text
from meters.wire_limits import check_time as check_time

VERSION = 1
ACCEPTED_VERSIONS = (1,)

SampleType = Literal["gauge", "cumulative", "delta"]
TraitType = Literal["text", "int", "float", "datetime"]
Outcome = Literal["ok", "partial", "error"]
ChangeKind = Literal["create", "update", "end"]
SAMPLE_TYPES: tuple[str, ...] = get_args(SampleType)

#: Traits of one event, and sentences of one poll's report.
MAX_TRAITS = 256
MAX_ERRORS = 100
#: Kinds of resources that end with another.
MAX_ASSOCIATED = 20

Index = npt.NDArray[np.uint32]
Micros = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class Resource(msgspec.Struct, frozen=True, array_like=True):
    """A thing that is measured. `id` is its name in its own world (instance UUID, disk id, …)."""

    id: str
    project_id: str | None = None
    user_id: str | None = None
    type: str = "generic"
    metadata: dict[str, Any] = {}
    source: str = "openstack"


class Series(msgspec.Struct, frozen=True, array_like=True):
    """One meter of one resource. `resource` is the row in `Catalogue.resources`.

    `policy` names the archive policy of a series that is new; empty or unknown is the default.
    """

    resource: int
    meter: str
    unit: str = ""
    type: SampleType = "gauge"
    policy: str = ""


class Catalogue(msgspec.Struct, frozen=True):
    """What the rows of the columns belong to."""

    resources: list[Resource]
    series: list[Series]


class SampleBatch(msgspec.Struct, frozen=True):
    """Samples as columns; see the module's text for their layout."""

    catalogue: bytes
    index: bytes
    timestamp: bytes
    value: bytes


class Trait(msgspec.Struct, frozen=True, array_like=True):
    """One typed trait. `value` is text, int, float, or (datetime) microseconds since the epoch."""

    name: str
    type: TraitType
    value: str | int | float


class ResourceChange(msgspec.Struct, frozen=True):
    """What an event says of a resource: that it is there, is another now, or has ended.

    `attributes` go into the resource's metadata. `associated` are pairs of a type and an attribute
    by which resources name this one: they end (or change) with it.
    """

    kind: ChangeKind
    id: str
    type: str = "generic"
    project_id: str | None = None
    user_id: str | None = None
    attributes: dict[str, Any] = {}
    associated: list[tuple[str, str]] = []


class Event(msgspec.Struct, frozen=True):
    """An event; its identity is `message_id`. `generated` in microseconds since the epoch.

    `change` counts once, when the event is stored for the first time.
    """

    message_id: str
    event_type: str
    generated: int
    traits: list[Trait] = []
    raw: dict[str, Any] = {}
    change: ResourceChange | None = None


class EventBatch(msgspec.Struct, frozen=True):
    events: list[Event]


class PollReport(msgspec.Struct, frozen=True):
    """How one poll of one source went: a row of the sources page.

    `kind` is what polled (compute, host, prometheus, notification, …), `source` what was polled
    (a hypervisor's URI, an endpoint, a queue), without secrets. `slot` is the planned time and
    `started` the real one, both in microseconds. `errors` are sentences for an operator.
    """

    kind: str
    source: str
    slot: int
    started: int
    duration_s: float
    samples: int
    interval_s: float = 0.0
    outcome: Outcome = "ok"
    errors: list[str] = []
    details: dict[str, Any] = {}


class Reject(msgspec.Struct, frozen=True):
    """Input that could not be converted, kept whole. `path` names the place inside it."""

    reason: str
    detail: str
    body: bytes
    source: str = ""
    path: str = ""
    headers: dict[str, Any] = {}


class Batch(msgspec.Struct, frozen=True):
    """One message to the collector. `sent_at` in microseconds, set again at each publication."""

    v: int
    batch_id: str
    agent_id: str
    created_at: int
    samples: SampleBatch | None = None
    events: EventBatch | None = None
    reports: list[PollReport] = []
    rejects: list[Reject] = []


class RawMessage(msgspec.Struct, frozen=True):
    """One undecoded message of a notification bus."""

    body: bytes
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    exchange: str = ""
    routing_key: str = ""
    headers: dict[str, Any] = {}


class RawBatch(msgspec.Struct, frozen=True):
    """Messages of one bus, spooled by the consumer, not yet decoded.

    The `Batch` that a notification worker makes of it keeps its `batch_id` and `agent_id`, so that
    the receipt reaches the consumer that holds the spool file.
    """

    v: int
    batch_id: str
    agent_id: str
    created_at: int
    source: str
    messages: list[RawMessage]


ReceiptStatus = Literal["stored", "duplicate", "quarantined", "partial"]


class Receipt(msgspec.Struct, frozen=True):
    """The collector's word that the database has a batch (any status: the agent may forget it)."""

    batch_id: str
    status: ReceiptStatus
    rejected: int = 0


class Receipts(msgspec.Struct, frozen=True):
    v: int
    receipts: list[Receipt]


Message = TypeVar("Message", Batch, RawBatch, Receipts)


@dataclass(frozen=True)
class Columns:
    """The decoded columns: three arrays of equal length, read-only views of the message."""

    index: Index
    timestamp: Micros
    value: Values

    def where(self, mask: npt.NDArray[np.bool_]) -> Columns:
        """The rows that `mask` marks."""
        return Columns(self.index[mask], self.timestamp[mask], self.value[mask])


class _Header(msgspec.Struct, frozen=True):
    v: int = 0
    batch_id: str = ""
    agent_id: str = ""


COLUMN_TYPES: dict[str, np.dtype[Any]] = {
    "index": np.dtype("<u4"),
    "timestamp": np.dtype("<i8"),
    "value": np.dtype("<f8"),
}
#: An agent's id is part of a queue's name and of a directory's.
_AGENT_ID = re.compile(r"[!-.0-~]{1,200}")

_encoder = msgspec.msgpack.Encoder()
_batch_decoder = msgspec.msgpack.Decoder(Batch)
_raw_decoder = msgspec.msgpack.Decoder(RawBatch)
_catalogue_decoder = msgspec.msgpack.Decoder(Catalogue)
_receipts_decoder = msgspec.msgpack.Decoder(Receipts)
_header_decoder = msgspec.msgpack.Decoder(_Header)


def new_batch_id() -> str:
    return str(uuid.uuid4())


def encode(message: Batch | RawBatch | Receipts | Catalogue) -> bytes:
    return _encoder.encode(message)


def pack_samples(
    catalogue: Catalogue,
    index: Iterable[int],
    timestamp: Iterable[int],
    value: Iterable[float],
) -> SampleBatch:
    """Make a `SampleBatch` of equally long sequences (lists or arrays).

    Raises `WireError` when the lengths differ or anything breaks the format, so that nothing is
    spooled that the collector would refuse.
    """
    check_catalogue(catalogue)
    return pack_rows(catalogue, index, timestamp, value)


def pack_rows(
    catalogue: Catalogue,
    index: Iterable[int],
    timestamp: Iterable[int],
    value: Iterable[float],
) -> SampleBatch:
    """As `pack_samples`, where resources and series were checked as they came."""
    columns = Columns(
        _column("index", index), _column("timestamp", timestamp), _column("value", value)
    )
    check_columns(columns)
    check_index(columns, len(catalogue.series))
    return pack_columns(encode(catalogue), columns)


def pack_columns(catalogue: bytes, columns: Columns) -> SampleBatch:
    """The batch of columns that were checked already."""
    return SampleBatch(
        catalogue, columns.index.tobytes(), columns.timestamp.tobytes(), columns.value.tobytes()
    )


def _column(name: str, numbers: Iterable[float]) -> npt.NDArray[Any]:
    try:
        return np.asarray(numbers, dtype=COLUMN_TYPES[name])
    except (OverflowError, TypeError, ValueError) as error:
        raise WireError(f"samples.{name}: {error}") from error


def peek_header(payload: bytes) -> tuple[int, str, str]:
    """(version, batch_id, agent_id) of a payload of any version; ``(0, "", "")`` if unreadable."""
    try:
        header = _header_decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return 0, "", ""
    return header.v, header.batch_id, header.agent_id


def decode_batch(payload: bytes) -> Batch:
    """Decode and check all but the catalogue and the columns' values (see `decode_columns`)."""
    batch = _decode(_batch_decoder, payload)
    _check_header(batch)
    if batch.samples is not None:
        _check_lengths(batch.samples)
    if batch.events is not None:
        for place, event in enumerate(batch.events.events):
            check_event(f"events[{place}]", event)
    for place, report in enumerate(batch.reports):
        check_report(f"reports[{place}]", report)
    for place, reject in enumerate(batch.rejects):
        check_reject(f"rejects[{place}]", reject)
    return batch


def decode_raw_batch(payload: bytes) -> RawBatch:
    batch = _decode(_raw_decoder, payload)
    _check_header(batch)
    check_text("source", batch.source, required=True, limit=1024)
    return batch


def decode_receipts(payload: bytes) -> Receipts:
    return _decode(_receipts_decoder, payload)


def decode_catalogue(samples: SampleBatch, bounds: Bounds = AGENTS) -> Catalogue:
    """Decode and check the catalogue of a batch."""
    try:
        catalogue = _catalogue_decoder.decode(samples.catalogue)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise WireError(f"samples.catalogue: {error}") from error
    check_catalogue(catalogue, bounds)
    return catalogue


def decode_columns(samples: SampleBatch, bounds: Bounds = AGENTS) -> Columns:
    """Views of the three columns, checked against each other (see also `check_index`)."""
    _check_lengths(samples)
    columns = Columns(
        np.frombuffer(samples.index, COLUMN_TYPES["index"]),
        np.frombuffer(samples.timestamp, COLUMN_TYPES["timestamp"]),
        np.frombuffer(samples.value, COLUMN_TYPES["value"]),
    )
    check_columns(columns, bounds)
    return columns


def _check_lengths(samples: SampleBatch) -> None:
    for name, dtype in COLUMN_TYPES.items():
        size = len(getattr(samples, name))
        if size % dtype.itemsize:
            raise WireError(f"samples.{name}: {size} bytes are not a multiple of {dtype.itemsize}")
    rows = len(samples.index) // 4
    for name in ("timestamp", "value"):
        if len(getattr(samples, name)) != rows * 8:
            found = len(getattr(samples, name)) // 8
            raise WireError(f"samples.{name}: {found} rows, but samples.index has {rows}")


def check_columns(columns: Columns, bounds: Bounds = AGENTS) -> None:
    """Raise `WireError` unless lengths agree, times are in bounds and values finite."""
    count = len(columns.index)
    for name in ("timestamp", "value"):
        if len(getattr(columns, name)) != count:
            raise WireError(
                f"samples.{name}: {len(getattr(columns, name))} rows, but samples.index has {count}"
            )
    if count > MAX_SAMPLES:
        raise WireError(f"samples: {count} rows, at most {MAX_SAMPLES} are allowed")
    if not count:
        return
    bad_time = (columns.timestamp < EARLIEST_US) | (columns.timestamp > bounds.latest_us)
    if bad_time.any():
        row = int(bad_time.argmax())
        moment = columns.timestamp[row]
        raise WireError(f"samples.timestamp[{row}]: {moment} is not in 1970…{bounds.latest_year}")
    bad_value = ~np.isfinite(columns.value)
    if bad_value.any():
        row = int(bad_value.argmax())
        raise WireError(f"samples.value[{row}]: {columns.value[row]} is not finite", "not_finite")


def check_index(columns: Columns, series_count: int) -> None:
    """Raise `WireError` unless every row's series is in the catalogue."""
    if len(columns.index) and int(columns.index.max()) >= series_count:
        row = int(columns.index.argmax())
        raise WireError(
            f"samples.index[{row}]: {columns.index[row]}, "
            f"but the catalogue has {series_count} series"
        )


def check_catalogue(catalogue: Catalogue, bounds: Bounds = AGENTS) -> None:
    for place, resource in enumerate(catalogue.resources):
        check_resource(f"samples.catalogue.resources[{place}]", resource, bounds)
    resources = len(catalogue.resources)
    for place, series in enumerate(catalogue.series):
        where = f"samples.catalogue.series[{place}]"
        if not 0 <= series.resource < resources:
            raise WireError(
                f"{where}.resource: {series.resource}, but there are {resources} resources"
            )
        check_text(f"{where}.meter", series.meter, required=not bounds.nameless)
        check_text(f"{where}.unit", series.unit)
        check_text(f"{where}.policy", series.policy)


def check_resource(where: str, resource: Resource, bounds: Bounds = AGENTS) -> None:
    check_text(f"{where}.id", resource.id, required=True, limit=bounds.id_length)
    check_text(f"{where}.type", resource.type, required=True)
    check_text(f"{where}.source", resource.source)
    for field in ("project_id", "user_id"):
        check_text(f"{where}.{field}", getattr(resource, field) or "")
    check_metadata(f"{where}.metadata", resource.metadata, bounds.metadata)


def check_event(where: str, event: Event) -> None:
    check_text(f"{where}.message_id", event.message_id, required=True)
    check_text(f"{where}.event_type", event.event_type, required=True)
    check_time(f"{where}.generated", event.generated)
    check_document(f"{where}.raw", event.raw, RAW_LIMITS)
    if len(event.traits) > MAX_TRAITS:
        raise WireError(f"{where}.traits: {len(event.traits)}, at most {MAX_TRAITS} are allowed")
    for row, trait in enumerate(event.traits):
        check_trait(f"{where}.traits[{row}]", trait)
    if event.change is not None:
        check_change(f"{where}.change", event.change)


def check_change(where: str, change: ResourceChange) -> None:
    check_text(f"{where}.id", change.id, required=True)
    check_text(f"{where}.type", change.type, required=True)
    for field in ("project_id", "user_id"):
        check_text(f"{where}.{field}", getattr(change, field) or "")
    check_metadata(f"{where}.attributes", change.attributes)
    if len(change.associated) > MAX_ASSOCIATED:
        raise WireError(
            f"{where}.associated: {len(change.associated)}, at most {MAX_ASSOCIATED} are allowed"
        )
    for row, pair in enumerate(change.associated):
        for text in pair:
            check_text(f"{where}.associated[{row}]", text, required=True)


def check_report(where: str, report: PollReport) -> None:
    check_text(f"{where}.kind", report.kind, required=True, limit=64)
    check_text(f"{where}.source", report.source, required=True, limit=1024)
    check_time(f"{where}.slot", report.slot)
    check_time(f"{where}.started", report.started)
    for name in ("duration_s", "interval_s"):
        if not 0 <= getattr(report, name) <= MAX_FLOAT:
            raise WireError(f"{where}.{name}: {getattr(report, name)} is not a duration")
    if not 0 <= report.samples < 2**31:
        raise WireError(f"{where}.samples: {report.samples} is not a count")
    if len(report.errors) > MAX_ERRORS:
        raise WireError(f"{where}.errors: {len(report.errors)}, at most {MAX_ERRORS} are allowed")
    for row, error in enumerate(report.errors):
        check_text(f"{where}.errors[{row}]", error, limit=MAX_METADATA_VALUE)
    check_metadata(f"{where}.details", report.details)


def check_reject(where: str, reject: Reject) -> None:
    check_text(f"{where}.reason", reject.reason, required=True, limit=32)
    check_text(f"{where}.detail", reject.detail, limit=MAX_METADATA_VALUE)
    check_text(f"{where}.source", reject.source, limit=1024)
    check_text(f"{where}.path", reject.path)
    check_metadata(f"{where}.headers", reject.headers)


def check_trait(where: str, trait: Trait) -> None:
    """The value must be of the type that the trait claims."""
    check_text(f"{where}.name", trait.name, required=True)
    where, value = f"{where}.value", trait.value
    if isinstance(value, bool):
        raise WireError(f"{where}: {value} is none of text, int, float, datetime")
    if trait.type == "text":
        if not isinstance(value, str):
            raise WireError(f"{where}: {value!r} is not text")
        check_text(where, value)
    elif trait.type == "float":
        if isinstance(value, str) or not -MAX_FLOAT <= value <= MAX_FLOAT:
            raise WireError(f"{where}: {value!r} is not a finite number", "not_finite")
    elif not isinstance(value, int):
        raise WireError(f"{where}: {value!r} is not an integer")
    elif trait.type == "datetime":
        check_time(where, value)
    else:
        check_integer(where, value)


def _check_header(batch: Batch | RawBatch) -> None:
    try:
        canonical = str(uuid.UUID(batch.batch_id)) == batch.batch_id
    except ValueError:
        canonical = False
    if not canonical:
        raise WireError(f"batch_id: {batch.batch_id[:80]!r} is not a UUID")
    if not _AGENT_ID.fullmatch(batch.agent_id):
        raise WireError(f"agent_id: {batch.agent_id[:80]!r} breaks {_AGENT_ID.pattern}")
    check_time("created_at", batch.created_at)


def _decode(decoder: msgspec.msgpack.Decoder[Message], payload: bytes) -> Message:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise WireError(
            f"{len(payload)} bytes, at most {MAX_MESSAGE_BYTES} are allowed", "item_too_large"
        )
    version, _, _ = peek_header(payload)
    if version and version not in ACCEPTED_VERSIONS:
        raise _bad_version(version)
    try:
        message = decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise WireError(str(error)) from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise WireError(f"not a msgpack message: {error}", "bad_encoding") from error
    if message.v not in ACCEPTED_VERSIONS:
        raise _bad_version(message.v)
    return message


def _bad_version(version: int) -> WireError:
    return WireError(f"v: {version} is not one of {ACCEPTED_VERSIONS}", "bad_version")
