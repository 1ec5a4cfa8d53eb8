"""Pages of resources and of their revisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse

from meters.metric_api import history
from meters.metric_api.base import MetricView
from meters.metric_api.finding import parse_uuid, visible_resources
from meters.metric_api.paging import Paging
from meters.metric_api.policies import Rule
from meters.metric_api.search import condition
from meters.metric_api.shapes import GENERIC, Described, State, current, resource_json
from meters.models import Metric, ResourceType

#: What lists may be sorted by; attributes of a type come on top.
FIELDS = {
    "id": "uuid",
    "type": "type",
    "creator": "creator",
    "original_resource_id": "original_id",
    "project_id": "project_id",
    "user_id": "user_id",
    "started_at": "started_at",
    "ended_at": "ended_at",
    "revision_start": "revision_start",
}
ORDER = ("revision_start:asc", "started_at:asc")


def sortable(kind: ResourceType) -> dict[str, str]:
    return {**FIELDS, **{name: f"metadata__{name}" for name in kind.attributes}}


def resource_page(view: MetricView, rule: Rule, kind: ResourceType, search: Any) -> HttpResponse:
    """The resources that a search finds; all without one."""
    rows = visible_resources(view.caller, rule, kind)
    if view.params.flag("history"):
        return history.page(view, kind, rows, search)
    paging = Paging.read(view.request.GET, sortable(kind), ORDER)
    if search:
        rows = rows.filter(condition(search, kind, view.caller))

    def marked(marker: str) -> Any:
        found = parse_uuid(marker)
        return None if found is None else rows.model.objects.filter(uuid=found)

    found = paging.page(rows.values_list(*Described._fields), marked)
    states = [current(Described(*row)) for row in found]
    return view.listed(states_json(view, kind, states), paging)


def states_json(
    view: MetricView, kind: ResourceType, states: Sequence[State]
) -> list[dict[str, Any]]:
    """With the attributes of each one's own type where `details` asks for them."""
    names = {state.resource.type for state in states}
    in_detail = kind.name == GENERIC and view.params.flag("details")
    rows = ResourceType.objects.filter(name__in=names if in_detail else ())
    kinds = {one.name: one for one in rows}
    metrics = _metrics(state.resource.pk for state in states)
    wanted = set(view.params.texts("attrs"))
    found = []
    for state in states:
        shown_as = kinds.get(state.resource.type) if in_detail else kind
        item = resource_json(state, shown_as, metrics[state.resource.pk])
        found.append({key: item[key] for key in item if not wanted or key in wanted})
    return found


def _metrics(resources: Iterable[int]) -> dict[int, list[tuple[str, Any]]]:
    rows = Metric.objects.filter(resource__id__any=set(resources), archive_policy__isnull=False)
    found = defaultdict(list)
    for pk, name, uuid in rows.order_by("name").values_list("resource_id", "name", "uuid"):
        found[pk].append((name, uuid))
    return found
