"""``/v1/resource``: resources of a type, one of them, and its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api import conditions, history, making, policies, resources, schemas
from meters.metric_api.base import SEARCHING, MetricView
from meters.metric_api.errors import bad_request, not_found
from meters.metric_api.finding import (
    Measured,
    metric_by_name,
    metrics_of,
    names_of,
    require,
    resource_by_id,
    resource_type,
    resources_of_type,
    target_of,
    visible_resources,
)
from meters.metric_api.listing import resource_page
from meters.metric_api.search import body_or_filter, condition
from meters.metric_api.shapes import current, listed_json, resource_json
from meters.metric_api.views.metrics import Measures, OneMetric
from meters.models import Metric, Resource, ResourceType
from meters.resource_types import attribute_schema
from meters.store.deletion import delete_resources

_CAUTION = (
    "caution: the query can not be empty, or it will                   delete entire database"
)


class Index(MetricView):
    """Where the resources of each type are."""

    def get(self, request: Request) -> HttpResponse:
        self.caller  # noqa: B018 - raises 401
        names = ResourceType.objects.order_by("name").values_list("name", flat=True)
        return self.answer({name: self.url("resource", name) for name in names})


def told(resource: Resource, kind: ResourceType) -> dict[str, Any]:
    """One resource with its metrics, as seen under a type."""
    return resource_json(current(resource), kind, names_of.rows(resource.pk))


class Resources(MetricView):
    def get(self, request: Request, type: str) -> HttpResponse:
        kind = resource_type(type)
        return resource_page(self, "list resource", kind, None)

    def post(self, request: Request, type: str) -> HttpResponse:
        require("create resource", self.caller)
        kind = resource_type(type)
        own = attribute_schema(kind, partial=False)
        body = self.body(schemas.resource_schema(own, is_new=True))
        resource, metrics = resources.create(self.caller, kind, body)
        address = self.url("resource", kind.name, str(resource.uuid))
        item = resource_json(current(resource), kind, sorted(metrics.items()))
        return conditions.stamp(self.created(item, address), resource)

    def delete(self, request: Request, type: str) -> HttpResponse:
        kind = resource_type(type)
        search = body_or_filter(self)
        if not search:
            raise bad_request(_CAUTION)
        rows = visible_resources(self.caller, "delete resources", kind)
        with transaction.atomic():
            found = rows.filter(condition(search, kind, self.caller))
            deleted = delete_resources(list(found.values_list("pk", flat=True)))
        return self.answer({"deleted": deleted})


class OneResource(MetricView):
    def found(self, type: str, id: str) -> tuple[Resource, ResourceType]:
        kind = resource_type(type)
        return resource_by_id(self.caller, id, kind), kind

    def seen(self, type: str, id: str) -> tuple[Resource, ResourceType]:
        """Raises 404 also for another's resource."""
        resource, kind = self.found(type, id)
        if not policies.allows("get resource", self.caller, target_of(resource)):
            raise not_found(f"Resource {resource.uuid} does not exist")
        return resource, kind

    def get(self, request: Request, type: str, id: str) -> HttpResponse:
        resource, kind = self.seen(type, id)
        conditions.check(request, resource)
        return conditions.stamp(self.answer(told(resource, kind)), resource)

    def patch(self, request: Request, type: str, id: str) -> HttpResponse:
        resource, kind = self.found(type, id)
        require("update resource", self.caller, target_of(resource))
        conditions.check(request, resource)
        own = attribute_schema(kind, partial=True)
        body = self.body(schemas.resource_schema(own, is_new=False))
        changed = resources.change(self.caller, resource, kind, body)
        answer = self.answer(told(resource, kind))
        return conditions.stamp(answer, resource) if changed else answer

    def delete(self, request: Request, type: str, id: str) -> HttpResponse:
        resource, _ = self.found(type, id)
        require("delete resource", self.caller, target_of(resource))
        conditions.check(request, resource)
        delete_resources([resource.pk])
        return self.no_content()


class History(OneResource):
    http_method_names = ["get", "head"]

    def get(self, request: Request, type: str, id: str) -> HttpResponse:
        resource, kind = self.seen(type, id)
        return history.page(self, kind, resources_of_type(kind).filter(pk=resource.pk))


class ResourceMetrics(OneResource):
    http_method_names = ["get", "head", "post"]

    def get(self, request: Request, type: str, id: str) -> HttpResponse:
        resource, _ = self.seen(type, id)
        return self.answer(_listed(resource))

    def post(self, request: Request, type: str, id: str) -> HttpResponse:
        resource, _ = self.found(type, id)
        require("update resource", self.caller, target_of(resource))
        wanted = self.body(schemas.METRICS)
        with transaction.atomic():
            making.lock_catalogue()
            made = resources.add_metrics(self.caller, resource, wanted)
        return self.answer(_listed(resource, made))


def _listed(resource: Resource, made: Sequence[Measured] = ()) -> list[dict[str, Any]]:
    """New ones come first: the client takes the first for what it made."""
    new = {metric.pk for metric in made}
    rows = metrics_of([resource.pk]).order_by("pk")
    return [listed_json(row) for row in sorted(rows, key=lambda row: (row.pk not in new, row.pk))]


class ResourceMetric(OneMetric):
    """``…/metric/{name}``, and its measures."""

    def metric(self, **at: str) -> Metric:
        resource = resource_by_id(self.caller, at["id"], resource_type(at["type"]))
        return metric_by_name(resource, at["name"])


class ResourceMeasures(Measures, ResourceMetric):
    pass


class SearchResources(MetricView):
    scopes = SEARCHING
    http_method_names = ["get", "head", "post"]

    def get(self, request: Request, type: str) -> HttpResponse:
        """405, but 404 where there is no such type."""
        resource_type(type)
        response: HttpResponse = self.http_method_not_allowed(request)
        return response

    def post(self, request: Request, type: str) -> HttpResponse:
        kind = resource_type(type)
        return resource_page(self, "search resource", kind, body_or_filter(self))
