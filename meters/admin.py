"""The admin of what is stored. Samples are not here, and what measurements made is read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from meters.models import (
    BatchAttempt,
    Event,
    Metric,
    PollReport,
    Quarantine,
    Resource,
    ResourceRevision,
    Source,
)
from meters.paging import MOST_COUNTED, BoundedPaginator
from meters.store.distinct import first_values

MOST_TYPES = 100


class ReadOnly(ModelAdmin):  # type: ignore[misc]
    """Looked at by staff with the view permission, changed by nobody."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Forgettable(ReadOnly):
    """Read-only, but a row may be deleted: it comes back with the next report, if there is one."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(super(ReadOnly, self).has_delete_permission(request, obj))


class TypeFilter(admin.SimpleListFilter):
    """Of resources: the types that there are, found by the index."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for (name,) in first_values(Resource, ["type"], MOST_TYPES)]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(type=self.value()) if self.value() else rows


@admin.register(Resource)
class ResourceAdmin(ReadOnly):
    list_display = ("original_id", "display_name", "type", "project_id", "revision_start")
    list_filter = (TypeFilter,)
    search_fields = ("original_id__startswith", "project_id__startswith", "user_id__startswith")
    search_help_text = "Beginning of the id, the project or the user"
    sortable_by = ("original_id", "type", "project_id")
    ordering = ("-pk",)

    @admin.display(description="name")
    def display_name(self, resource: Resource) -> str:
        return resource.display_name


@admin.register(ResourceRevision)
class ResourceRevisionAdmin(ReadOnly):
    list_display = ("resource", "valid_from", "project_id", "type")
    list_select_related = ("resource",)
    search_fields = ("resource__original_id",)
    ordering = ("-pk",)


@admin.register(Metric)
class MetricAdmin(ReadOnly):
    list_display = ("name", "resource", "unit", "type", "created_at")
    list_filter = ("type",)
    list_select_related = ("resource",)
    search_fields = ("name", "resource__original_id")
    search_help_text = "Beginning of the name or of the resource's id"
    sortable_by = ("name",)
    ordering = ("-pk",)

    def get_search_results(
        self, request: HttpRequest, rows: QuerySet[Metric], search_term: str
    ) -> tuple[QuerySet[Metric], bool]:
        """Of resources whose id fits a word as many as a list counts: so each condition is on one
        table and has its index.
        """
        for word in search_term.split():
            resources = Resource.objects.filter(original_id__startswith=word)
            some = list(resources.values_list("pk", flat=True)[:MOST_COUNTED])
            rows = rows.filter(Q(name__startswith=word) | Q(resource__id__any=some))
        return rows, False


@admin.register(Event)
class EventAdmin(ReadOnly):
    list_display = ("event_type", "generated", "project_id", "message_id")
    search_fields = ("event_type", "message_id", "project_id")
    ordering = ("-generated", "-pk")


@admin.register(Source)
class SourceAdmin(Forgettable):
    list_display = ("name", "kind", "agent_id", "outcome", "last_poll", "duration_s", "samples")
    list_filter = ("kind", "outcome")
    search_fields = ("name", "agent_id")
    ordering = ("kind", "name")


@admin.register(PollReport)
class PollReportAdmin(ReadOnly):
    list_display = ("source", "slot", "outcome", "duration_s", "samples")
    list_filter = ("outcome",)
    list_select_related = ("source",)
    ordering = ("-slot", "-pk")


@admin.register(Quarantine)
class QuarantineAdmin(ReadOnly):
    """Replay and discard are on the UI's page, which shows the body as text."""

    list_display = ("reason", "detail_start", "source", "agent_id", "state", "created_at")
    list_filter = ("state", "reason", "form")
    search_fields = ("detail", "source", "agent_id", "batch_id")
    exclude = ("body",)
    ordering = ("-created_at", "-pk")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("body")

    @admin.display(description="detail")
    def detail_start(self, item: Quarantine) -> str:
        return item.detail[:120]


@admin.register(BatchAttempt)
class BatchAttemptAdmin(ReadOnly):
    list_display = ("batch_id", "attempts", "last_error", "updated_at")
    ordering = ("-updated_at",)
