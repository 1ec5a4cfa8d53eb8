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
from typing import Any, TypeVar

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
from meters.wire_limits import SURROGATE as SURROGATE
from meters.wire_limits import Bounds as Bounds
from meters.wire_limits import WireError as WireError
from meters.wire_limits import check_document as check_document
from meters.wire_limits import check_integer as check_integer
from meters.wire_limits import check_metadata as check_metadata
from meters.wire_limits import check_text as check_text
from meters.wire_limits import check_time as check_time
from meters.wire_messages import ACCEPTED_VERSIONS as ACCEPTED_VERSIONS
from meters.wire_messages import MAX_ASSOCIATED as MAX_ASSOCIATED
from meters.wire_messages import MAX_ERRORS as MAX_ERRORS
from meters.wire_messages import MAX_TRAITS as MAX_TRAITS
from meters.wire_messages import SAMPLE_TYPES as SAMPLE_TYPES
from meters.wire_messages import VERSION as VERSION
from meters.wire_messages import Batch as Batch
from meters.wire_messages import Catalogue as Catalogue
from meters.wire_messages import ChangeKind as ChangeKind
from meters.wire_messages import Columns as Columns
from meters.wire_messages import Event as Event
from meters.wire_messages import EventBatch as EventBatch
from meters.wire_messages import Index as Index
from meters.wire_messages import Micros as Micros
from meters.wire_messages import Outcome as Outcome
from meters.wire_messages import PollReport as PollReport
from meters.wire_messages import RawBatch as RawBatch
from meters.wire_messages import RawMessage as RawMessage
from meters.wire_messages import Receipt as Receipt
from meters.wire_messages import Receipts as Receipts
from meters.wire_messages import ReceiptStatus as ReceiptStatus
from meters.wire_messages import Reject as Reject
from meters.wire_messages import Resource as Resource
from meters.wire_messages import ResourceChange as ResourceChange
from meters.wire_messages import SampleBatch as SampleBatch
from meters.wire_messages import SampleType as SampleType
from meters.wire_messages import Series as Series
from meters.wire_messages import Trait as Trait
from meters.wire_messages import TraitType as TraitType
from meters.wire_messages import Values as Values

Message = TypeVar("Message", Batch, RawBatch, Receipts)


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
