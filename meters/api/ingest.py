"""Samples by HTTP: from the body to the one `store_batch` (architecture.md 3).

All or nothing: what breaks the format, or lies outside the times that are kept, refuses the whole
body with the places named; otherwise the answer comes after the commit (W1).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from django.db import transaction
from msgspec import Meta

from meters import wire
from meters.api import admission, bodies
from meters.api.errors import BadParameterError, InvalidBodyError, LimitError, UnprocessableError
from meters.api.names import flaw_of
from meters.models import PostedOnce, Quarantine, Resource
from meters.store.write import store_batch
from telemetry_site.clock import now_us, to_us

SOURCE = "api"
AGENT_ID = "api"
LISTED_ERRORS = 20
_KEY = re.compile(r"[\x20-\x7e]{1,128}", re.ASCII)

Name = Annotated[str, Meta(min_length=1, max_length=wire.MAX_NAME)]


class PostedSample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sample. Without `timestamp` it is of now; a time without a zone is UTC.

    Without `metadata` or `resource_type` the resource keeps those it has.
    """

    resource_id: Name
    meter: Name
    value: float
    timestamp: datetime | None = None
    unit: Annotated[str, Meta(max_length=wire.MAX_NAME)] = ""
    type: wire.SampleType = "gauge"
    resource_type: Name | None = None
    metadata: dict[str, Any] | None = None


class PostedSamples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    samples: list[PostedSample]
    project_id: Name | None = None


class Posted(msgspec.Struct, frozen=True):
    """A decoded body; `path` is what stands before a sample's number in error texts."""

    samples: list[PostedSample]
    project_id: str | None
    path: str


def decode(body: bytes) -> Posted:
    found = bodies.decode(body, list[PostedSample] | PostedSamples)
    posted = (
        Posted(found, None, "")
        if isinstance(found, list)
        else Posted(found.samples, found.project_id, "samples")
    )
    if len(posted.samples) > wire.MAX_SAMPLES:
        raise LimitError(
            f"The body has {len(posted.samples)} samples, at most {wire.MAX_SAMPLES} are taken at "
            "once: post them in several bodies."
        )
    if not posted.samples:
        raise InvalidBodyError("The body holds no sample.")
    return posted


def store(
    posted: Posted, project: str, key: str | None, body: bytes
) -> tuple[dict[str, Any], bool]:
    """Store the samples as the project's; returns (answer, whether it is a repeated one).

    `project` is empty for what belongs to the installation. With an idempotency `key` the same
    body is stored once, and another body under the key raises `UnprocessableError`.
    """
    batch = build(posted, project)
    with admission.timed_commit(), transaction.atomic():
        once = _claim(project, key, body) if key else None
        if once is not None and once.answer:
            return once.answer, True
        result = store_batch(batch, creator=project)
        if result.problems:
            labels = dict(Quarantine.Reason.choices)
            raise _refusal(
                [
                    _row(f"{posted.path}[{problem.position}].timestamp", labels[problem.reason])
                    for problem in result.problems
                ]
            )
        answer = {"stored": result.samples, "project_id": project or None}
        if once is not None:
            once.answer = answer
            once.save(update_fields=["answer"])
    return answer, False


# --- building the batch ------------------------------------------------------------------------


def build(posted: Posted, project: str) -> wire.Batch:
    """One batch, row for row in the order of the body. Raises `InvalidBodyError`."""
    maker = _Maker(project, _known(posted.samples, project))
    errors = []
    for place, sample in enumerate(posted.samples):
        try:
            maker.add(sample)
        except wire.WireError as error:
            field, _, detail = str(error).partition(": ")
            errors.append(_row(f"{posted.path}[{place}].{field}", detail))
    if errors:
        raise _refusal(errors)
    return maker.batch()


class _Maker:
    """Collects resources, series and columns; raises `wire.WireError` as ``field: detail``."""

    def __init__(self, project: str, known: dict[str, Resource]) -> None:
        self.project = project
        self.known = known
        self.now_us = now_us()
        self.resources: list[wire.Resource] = []
        self.series: list[wire.Series] = []
        self.rows: tuple[list[int], list[int], list[float]] = ([], [], [])
        self._resource_rows: dict[str, int] = {}
        self._series_rows: dict[wire.Series, int] = {}

    def add(self, sample: PostedSample) -> None:
        check_name("resource_id", sample.resource_id)
        check_name("meter", sample.meter)
        wire.check_text("unit", sample.unit)
        timestamp = self.now_us if sample.timestamp is None else _micros(sample.timestamp)
        resource = self._resource_row(self._describe(sample))
        series = wire.Series(resource, sample.meter, sample.unit, sample.type)
        row = self._series_rows.setdefault(series, len(self.series))
        if row == len(self.series):
            self.series.append(series)
        index, times, values = self.rows
        index.append(row)
        times.append(timestamp)
        values.append(sample.value)

    def batch(self) -> wire.Batch:
        catalogue = wire.Catalogue(self.resources, self.series)
        return wire.Batch(
            v=wire.VERSION,
            batch_id=wire.new_batch_id(),
            agent_id=AGENT_ID,
            created_at=self.now_us,
            samples=wire.pack_samples(catalogue, *self.rows),
        )

    def _describe(self, sample: PostedSample) -> wire.Resource:
        """What the sample says of its resource, on top of what is known of it."""
        known = self.known.get(sample.resource_id)
        if sample.resource_type is not None:
            check_name("resource_type", sample.resource_type)
        if sample.metadata is not None:
            wire.check_metadata("metadata", sample.metadata)
        if known is None:
            kind, metadata = sample.resource_type or "generic", sample.metadata or {}
            return wire.Resource(
                sample.resource_id, self.project or None, None, kind, metadata, SOURCE
            )
        return wire.Resource(
            sample.resource_id,
            known.project_id,
            known.user_id,
            sample.resource_type or known.type,
            known.metadata if sample.metadata is None else sample.metadata,
            known.source,
        )

    def _resource_row(self, resource: wire.Resource) -> int:
        row = self._resource_rows.get(resource.id)
        if row is None or self.resources[row] != resource:
            row = self._resource_rows[resource.id] = len(self.resources)
            self.resources.append(resource)
        return row


def _known(samples: Sequence[PostedSample], project: str) -> dict[str, Resource]:
    """The resources that this project (or, for "", the installation) has posted to before."""
    names = {sample.resource_id for sample in samples if "\x00" not in sample.resource_id}
    found = Resource.objects.of_creator(project).filter(original_id__in=names)
    return {resource.original_id: resource for resource in found}


def _micros(moment: datetime) -> int:
    micros = to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if not wire.EARLIEST_US <= micros <= wire.LATEST_US:
        raise wire.WireError(f"timestamp: {moment.isoformat()} is not in 1970…2200")
    return micros


def check_name(field: str, name: str) -> None:
    flaw = flaw_of(name)
    if flaw:
        raise wire.WireError(f"{field}: {flaw}")


def _row(field: str, detail: str) -> dict[str, str]:
    return {"field": field, "detail": detail}


def _refusal(errors: list[dict[str, str]]) -> InvalidBodyError:
    first, more = errors[0], len(errors) - 1
    text = f"{first['field']}: {first['detail']}" + (f" (and {more} more)" if more else "")
    return InvalidBodyError(f"{text}. Nothing was stored.", errors[:LISTED_ERRORS])


# --- Idempotency-Key ---------------------------------------------------------------------------


def check_key(key: str | None) -> str | None:
    if key is not None and not _KEY.fullmatch(key):
        raise BadParameterError("Idempotency-Key", "Must be 1…128 printable ASCII characters.")
    return key


def _claim(project: str, key: str, body: bytes) -> PostedOnce:
    """This key's row; with an `answer` when it was used before.

    Of two posts under one key at the same time, the second waits here for the first's commit.
    """
    row, _ = PostedOnce.objects.get_or_create(
        key=hashlib.sha256(f"{project}\x00{key}".encode()).hexdigest(),
        defaults={"body_digest": hashlib.sha256(body).hexdigest()},
    )
    if row.body_digest != hashlib.sha256(body).hexdigest():
        raise UnprocessableError("This Idempotency-Key was used for another body before.")
    return row
