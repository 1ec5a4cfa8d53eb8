"""Resources, their revisions, metrics, meters."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from rest_framework.generics import get_object_or_404

from meters.api import serializers
from meters.api.base import DetailView, ListView
from meters.api.filters import MeterFilters, MetricFilters, ResourceFilters
from meters.api.latest import attach_last
from meters.models import Metric, Resource, ResourceRevision

METRICS_SHOWN = 1000


class ResourceList(ListView):
    """Resources that are the caller's now."""

    serializer_class = serializers.ResourceSerializer
    filterset_class = ResourceFilters
    orderings = {
        "original_id": ("original_id", "id"),
        "-original_id": ("-original_id", "-id"),
        "type": ("type", "original_id", "id"),
        "-type": ("-type", "-original_id", "-id"),
        "started_at": ("started_at", "id"),
        "-started_at": ("-started_at", "-id"),
    }

    def get_queryset(self) -> QuerySet[Resource]:
        return Resource.objects.scope(self.principal)


class ResourceDetail(DetailView):
    """One resource with its metrics and their last values."""

    serializer_class = serializers.ResourceDetailSerializer
    lookup_field = "uuid"

    def get_queryset(self) -> QuerySet[Resource]:
        return Resource.objects.scope(self.principal)

    def get_object(self) -> Resource:
        resource: Resource = super().get_object()
        metrics = list(
            Metric.objects.scope(self.principal)
            .filter(resource=resource)
            .order_by("name")[:METRICS_SHOWN]
        )
        attach_last(self.principal, metrics)
        resource._prefetched_objects_cache = {"metrics": metrics}  # type: ignore[attr-defined]
        return resource


class RevisionList(ListView):
    """How owner and metadata of a resource changed, newest first, while it was the caller's."""

    serializer_class = serializers.RevisionSerializer
    orderings = {"-valid_from": ("-valid_from", "-id"), "valid_from": ("valid_from", "id")}

    def get_queryset(self) -> QuerySet[ResourceRevision]:
        resources = Resource.objects.scope(self.principal)
        resource = get_object_or_404(resources, uuid=self.kwargs["uuid"])
        return ResourceRevision.objects.scope(self.principal).filter(resource=resource)


class MetricList(ListView):
    """Metrics of the caller's resources, each with its last value and that value's age."""

    serializer_class = serializers.MetricSerializer
    filterset_class = MetricFilters
    orderings = {
        "name": ("name", "id"),
        "-name": ("-name", "-id"),
        "resource": ("resource__original_id", "name", "id"),
        "-resource": ("-resource__original_id", "-name", "-id"),
    }

    def get_queryset(self) -> QuerySet[Metric]:
        return Metric.objects.scope(self.principal).select_related("resource")

    def paginate_queryset(self, queryset: Any) -> Any:
        metrics = super().paginate_queryset(queryset) or []
        attach_last(self.principal, metrics)
        return metrics


class MetricDetail(DetailView):
    """One metric with its resource and its last value."""

    serializer_class = serializers.MetricSerializer
    lookup_field = "uuid"

    def get_queryset(self) -> QuerySet[Metric]:
        return Metric.objects.scope(self.principal).select_related("resource")

    def get_object(self) -> Metric:
        metric: Metric = super().get_object()
        attach_last(self.principal, [metric])
        return metric


class MeterList(ListView):
    """Names of meters with unit, type and the number of resources that have them."""

    serializer_class = serializers.MeterSerializer
    filterset_class = MeterFilters
    orderings = {"name": ("name", "unit", "type"), "-name": ("-name", "-unit", "-type")}

    def get_queryset(self) -> QuerySet[Any]:
        metrics = Metric.objects.scope(self.principal)
        return metrics.values("name", "unit", "type").annotate(resources=Count("pk"))
