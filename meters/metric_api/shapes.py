"""The JSON of metrics, resources and revisions. Clients rely on each of a metric's three forms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from meters.aggregation import Floats, Ints
from meters.archive_policies import policy_json
from meters.metric_api.times import framed, text_of, texts_of
from meters.models import STANDALONE, Metric, Resource, ResourceType
from meters.resource_types import GENERIC as GENERIC
from meters.resource_types import attributes_json


class Described(NamedTuple):
    """A resource's row, for where a thousand are listed: a model instance takes ten times longer.

    Its fields are the model's.
    """

    pk: int
    uuid: UUID
    original_id: str
    creator: str
    type: str
    project_id: str | None
    user_id: str | None
    metadata: Mapping[str, Any]
    started_at: datetime
    ended_at: datetime | None
    revision_start: datetime


class State(NamedTuple):
    """What a resource is, or was in one of its revisions; `until` is None of the current one."""

    resource: Resource | Described
    project_id: str | None
    user_id: str | None
    metadata: Mapping[str, Any]
    started_at: datetime
    ended_at: datetime | None
    since: datetime
    until: datetime | None = None


def current(resource: Resource | Described) -> State:
    return State(
        resource, resource.project_id, resource.user_id, resource.metadata,
        resource.started_at, resource.ended_at, resource.revision_start,
    )  # fmt: skip


def _created_by(creator: str) -> dict[str, str]:
    user, _, project = creator.partition(":")
    return {"created_by_user_id": user, "created_by_project_id": project}


def resource_json(
    state: State, shown_as: ResourceType | None, metrics: Iterable[tuple[str, Any]]
) -> dict[str, Any]:
    """`shown_as` is the type whose attributes are told: None for the generic columns only."""
    resource = state.resource
    ended, until = state.ended_at, state.until
    return {
        "id": str(resource.uuid),
        "creator": resource.creator,
        "started_at": text_of(state.started_at),
        "revision_start": text_of(state.since),
        "ended_at": text_of(ended) if ended else None,
        "user_id": state.user_id,
        "project_id": state.project_id,
        "original_resource_id": resource.original_id,
        "type": resource.type,
        **(attributes_json(shown_as, state.metadata) if shown_as else {}),
        "revision_end": text_of(until) if until else None,
        "metrics": {name: str(uuid) for name, uuid in metrics},
        **_created_by(resource.creator),
    }


def _common(metric: Metric) -> dict[str, Any]:
    return {
        "id": str(metric.uuid),
        "creator": metric.creator,
        "name": metric.name or None,
        "unit": metric.unit or None,
    }


def resource_of(metric: Metric) -> Resource | None:
    """None of a metric that has none."""
    return None if metric.resource.type == STANDALONE else metric.resource


def _resource_id(metric: Metric) -> str | None:
    resource = resource_of(metric)
    return str(resource.uuid) if resource else None


def created_json(metric: Metric) -> dict[str, Any]:
    """The answer to POST."""
    assert metric.archive_policy is not None
    return {
        **_common(metric),
        "resource_id": _resource_id(metric),
        "archive_policy_name": metric.archive_policy.name,
        **_created_by(metric.creator),
    }


def listed_json(metric: Metric) -> dict[str, Any]:
    """In lists."""
    assert metric.archive_policy is not None
    return {
        **_common(metric),
        "resource_id": _resource_id(metric),
        "archive_policy": policy_json(metric.archive_policy),
        **_created_by(metric.creator),
    }


def metric_json(metric: Metric) -> dict[str, Any]:
    """One metric, with its resource."""
    assert metric.archive_policy is not None
    resource = resource_of(metric)
    told = resource_json(current(resource), None, ()) if resource else None
    if told:
        del told["metrics"]
    return {
        **_common(metric),
        "resource": told,
        "archive_policy": policy_json(metric.archive_policy),
        **_created_by(metric.creator),
    }


def measures_json(timestamps: Ints, granularity: float | str, values: Floats) -> list[list[Any]]:
    """``[[timestamp, granularity, value]…]``; the granularity is seconds or a calendar's letter."""
    texts = texts_of(timestamps)
    return [[text, granularity, value] for text, value in zip(texts, values.tolist(), strict=True)]


def measures_text(parts: Iterable[tuple[Ints, float | str, Floats]]) -> bytes:
    """The JSON of `measures_json` of all parts, one after the other; values must be finite.

    No list a point: a month of them costs a sixth so, and nothing of the garbage collector's.
    """
    pieces: list[bytes] = []
    for timestamps, granularity, values in parts:
        if not len(timestamps):
            continue
        between = f'", {json.dumps(granularity)}, '.encode()
        rows = [b""] * (2 * len(values))
        rows[0::2] = framed(timestamps, b'], ["', between)
        rows[1::2] = msgspec.json.encode(values.tolist())[1:-1].split(b",")
        pieces += rows
    return b"[%b]]" % b"".join(pieces).removeprefix(b"], ") if pieces else b"[]"
