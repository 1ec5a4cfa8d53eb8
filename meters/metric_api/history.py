"""Revisions of resources, the current one among them."""

from __future__ import annotations

from typing import Any

from django.db.models import F, QuerySet, Window
from django.db.models.functions import Coalesce, Lead, RowNumber
from django.http import HttpResponse

from meters.metric_api import listing
from meters.metric_api.base import MetricView
from meters.metric_api.finding import parse_uuid
from meters.metric_api.paging import Paging
from meters.metric_api.search import condition_of_revisions
from meters.metric_api.shapes import State, current
from meters.models import Resource, ResourceRevision, ResourceType

#: The number of the current revision; the earlier ones of a resource count from 1.
CURRENT = -1
FIELDS = {
    "id": "resource__uuid",
    "type": "type",
    "creator": "resource__creator",
    "original_resource_id": "resource__original_id",
    "project_id": "project_id",
    "user_id": "user_id",
    "started_at": "since_ever",
    "ended_at": "ended_at",
    "revision_start": "valid_from",
    "revision_end": "until",
    "revision": "number",
}


def revisions_of(resources: QuerySet[Resource]) -> QuerySet[Any]:
    """With `until`, when the next one began (None of the current one), and its `number`."""
    order = {"partition_by": [F("resource")], "order_by": [F("valid_from").asc()]}
    rows = ResourceRevision.objects.filter(resource__in=resources)
    annotated: QuerySet[Any] = rows.select_related("resource").annotate(
        since_ever=Coalesce("started_at", "resource__started_at"),
        until=Window(Lead("valid_from"), **order),  # type: ignore[arg-type]
        number=Window(RowNumber(), **order),  # type: ignore[arg-type]
    )
    return annotated


def state_of(revision: Any) -> State:
    if revision.until is None:
        return current(revision.resource)
    return State(
        revision.resource, revision.project_id, revision.user_id, revision.metadata,
        revision.since_ever, revision.ended_at, revision.valid_from, revision.until,
    )  # fmt: skip


def page(
    view: MetricView, kind: ResourceType, resources: QuerySet[Resource], search: Any = None
) -> HttpResponse:
    fields = {**FIELDS, **{name: f"metadata__{name}" for name in kind.attributes}}
    paging = Paging.read(view.request.GET, fields, listing.ORDER, ties=("id", "revision"))
    rows = revisions_of(resources)
    if search:
        rows = rows.filter(condition_of_revisions(search, kind, view.caller))

    def marked(marker: str) -> QuerySet[Any] | None:
        name, _, number = marker.partition("@")
        found = parse_uuid(name)
        if found is None or not number.lstrip("-").isdecimal():
            return None
        own = revisions_of(Resource.objects.filter(uuid=found))
        if int(number) == CURRENT:
            return own.filter(until=None)
        return own.filter(number=int(number))

    found = paging.page(rows, marked)
    items = listing.states_json(view, kind, [state_of(revision) for revision in found])
    response = view.answer(items)
    if len(found) >= paging.limit:
        last = found[-1]
        number = CURRENT if last.until is None else last.number
        response["Link"] = paging.link(view.request, f"{last.resource.uuid}@{number}")
    return response
