"""What the messages between agents and collector hold: structs, and the columns of samples.

A part of the wire format; `meters.wire` offers all of it again. It knows no framework.
Field by field: docs/reference/wire.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True)
class Columns:
    """The decoded columns: three arrays of equal length, read-only views of the message."""

    index: Index
    timestamp: Micros
    value: Values

    def where(self, mask: npt.NDArray[np.bool_]) -> Columns:
        """The rows that `mask` marks."""
        return Columns(self.index[mask], self.timestamp[mask], self.value[mask])
