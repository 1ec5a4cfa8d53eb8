"""``/v1/aggregates``: operations over metrics by their ids, or by name on resources found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import voluptuous as vol
from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api import aggregates, grouping
from meters.metric_api.aggregates import Sources
from meters.metric_api.base import SEARCHING, MetricView
from meters.metric_api.errors import not_found, refusal
from meters.metric_api.finding import (
    Readable,
    described,
    known_type,
    metrics_by_ids,
    parse_uuid,
    primary_keys,
    readable,
    require,
    target_of,
    visible_resources,
)
from meters.metric_api.listing import states_json
from meters.metric_api.search import condition, read_search
from meters.metric_api.shapes import Described, current, metric_json
from meters.models import Metric, ResourceType
from meters.operations.evaluation import Result
from meters.operations.parsing import parse
from meters.operations.query import Query, parse_fill, parse_needed_overlap
from meters.operations.tree import Node, Reference, references

_BODY = vol.Schema({vol.Required("operations"): object, "resource_type": str, "search": object})


def query_of(view: MetricView) -> Query:
    """Raises `ApiError` and `OperationsError`."""
    fill, overlap = view.params.text("fill"), view.params.text("needed_overlap")
    return Query(
        start_us=view.params.time_us("start"),
        stop_us=view.params.time_us("stop"),
        fill=None if fill is None else parse_fill(fill),
        needed_overlap=None if overlap is None else parse_needed_overlap(overlap),
    )


class Aggregates(MetricView):
    scopes = SEARCHING
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        self.caller  # noqa: B018 - raises 401
        query = query_of(self)
        granularity_us = self.params.timespan_us("granularity")
        body = self.body(_BODY)
        operations = parse(body["operations"])
        if "resource_type" not in body:
            return self._of_metrics(operations, query, granularity_us)
        kind = _type(body["resource_type"])
        rows = visible_resources(self.caller, "search resource", kind)
        search = read_search(body.get("search", {}))
        if search:
            rows = rows.filter(condition(search, kind, self.caller))
        return self._of_resources(operations, query, granularity_us, kind, rows)

    # --- by the metrics' ids -------------------------------------------------------------------

    def _of_metrics(
        self, operations: Node, query: Query, granularity_us: int | None
    ) -> HttpResponse:
        found = _by_ids(references(operations))
        for metric in found.values():
            require("get metric", self.caller, target_of(metric))
        sources = Sources()
        for reference in references(operations):
            sources.add(reference, Readable.of(found[UUID(reference.metric)]))
        inputs = aggregates.inputs_of(sources, query, granularity_us)
        result = aggregates.compute(operations, inputs, query, False, self.tally)
        answer: dict[str, Any] = {
            "measures": aggregates.result_json(result, sources.places, by_resource=False)
        }
        if self.params.flag("details"):
            answer["references"] = [metric_json(metric) for metric in found.values()]
        return self.answer(answer)

    # --- by name on resources ------------------------------------------------------------------

    def _of_resources(
        self, operations: Node, query: Query, granularity_us: int | None,
        kind: ResourceType, rows: Any,
    ) -> HttpResponse:  # fmt: skip
        by = sorted(set(self.params.texts("groupby")))
        resources = described(rows) if by or self.params.flag("details") else {}
        wanted = references(operations)
        found_in = list(resources) or primary_keys(rows)
        metrics = readable(found_in, aggregates.plain_names(wanted))
        sources = aggregates.by_name(wanted, metrics)
        lacking = sorted({one.metric for one in wanted if one not in sources.columns})
        if lacking:
            raise not_found(f"Metric {lacking} does not exist")
        grouping.check_attributes_known(
            kind, by, "Invalid pagination: `Sort key supplied is invalid: {}'"
        )
        if by and self.params.flag("use_history"):
            return self.answer(
                grouping.by_history(
                    operations, sources, query, granularity_us, kind, by, self.tally
                )
            )
        inputs = aggregates.inputs_of(sources, query, granularity_us)
        if not by:
            result = aggregates.compute(operations, inputs, query, True, self.tally)
            return self.answer(self._told(result, sources, kind, resources))
        found = []
        groups = grouping.members(kind, by, resources)
        for values, columns in grouping.columns_of(groups, sources, wanted):
            part = inputs._replace(columns=columns)
            result = aggregates.compute(operations, part, query, True, self.tally)
            chosen = _resources_in(columns, sources, resources)
            told = self._told(result, sources, kind, chosen)
            found.append({"group": dict(zip(by, values, strict=True)), "measures": told})
        if not found:
            raise not_found(f"Metric {sorted({one.metric for one in wanted})} does not exist")
        return self.answer(found)

    def _told(
        self, result: Result, sources: Sources, kind: ResourceType,
        resources: Mapping[int, Described],
    ) -> dict[str, Any]:  # fmt: skip
        answer: dict[str, Any] = {
            "measures": aggregates.result_json(result, sources.places, by_resource=True)
        }
        if self.params.flag("details"):
            held = {place.metric.resource_id for place in sources.places}
            states = [current(one) for pk, one in resources.items() if pk in held]
            answer["references"] = states_json(self, kind, states)
        return answer


def _type(name: str) -> ResourceType:
    """Raises the form of the error that this endpoint has alone."""
    found = known_type(name)
    if found is None:
        raise refusal("Resource type does not exist", detail=name)
    return found


def _resources_in(
    columns: Mapping[Reference, Sequence[int]], sources: Sources, resources: Mapping[int, Described]
) -> dict[int, Described]:
    held = {sources.places[one].metric.resource_id for ones in columns.values() for one in ones}
    return {pk: resource for pk, resource in resources.items() if pk in held}


def _by_ids(wanted: Sequence[Reference]) -> dict[UUID, Metric]:
    ids = {reference: parse_uuid(reference.metric) for reference in wanted}
    malformed = [list(reference) for reference, found in ids.items() if found is None]
    if malformed:
        raise refusal(
            "Invalid metric references", reason="badly formed hexadecimal UUID string",
            detail=malformed,
        )  # fmt: skip
    known = {found for found in ids.values() if found is not None}
    metrics = metrics_by_ids(known)
    unknown = sorted(str(one) for one in known if one not in metrics)
    if unknown:
        raise refusal(
            "Unknown metrics", status=404, reason="Provided metrics don't exists", detail=unknown
        )
    return metrics
