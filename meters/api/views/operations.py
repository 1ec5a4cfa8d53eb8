"""How the installation does: sources, quarantine, status. For administrators."""

from __future__ import annotations

import structlog
from django.db.models import QuerySet
from django.db.models.functions import Length
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from meters import replay
from meters.api import serializers, status
from meters.api.base import ApiView, DetailView, ListView
from meters.api.filters import QuarantineFilters, SourceFilters
from meters.models import Quarantine, Source
from meters.store import quarantine
from telemetry_site.auth.principal import Scope

log = structlog.get_logger(__name__)

REPORTS_SHOWN = 50


class SourceList(ListView):
    """What is polled, by whom, and how the last poll went."""

    admin_only = True
    serializer_class = serializers.SourceSerializer
    filterset_class = SourceFilters
    orderings = {
        "name": ("kind", "name", "agent_id", "id"),
        "-name": ("-kind", "-name", "-agent_id", "-id"),
        "last_poll": ("last_poll", "id"),
        "-last_poll": ("-last_poll", "-id"),
    }

    def get_queryset(self) -> QuerySet[Source]:
        return Source.objects.scope(self.principal)


class SourceDetail(DetailView):
    """One source with its last poll reports, newest first."""

    admin_only = True
    serializer_class = serializers.SourceDetailSerializer

    def get_queryset(self) -> QuerySet[Source]:
        return Source.objects.scope(self.principal)

    def get_object(self) -> Source:
        source: Source = super().get_object()
        reports = list(source.reports.order_by("-slot", "-id")[:REPORTS_SHOWN])
        source._prefetched_objects_cache = {"reports": reports}  # type: ignore[attr-defined]
        return source


class QuarantineList(ListView):
    """What could not be stored, newest first, without the bodies."""

    admin_only = True
    serializer_class = serializers.QuarantineSerializer
    filterset_class = QuarantineFilters
    orderings = {"-created_at": ("-created_at", "-id"), "created_at": ("created_at", "id")}

    def get_queryset(self) -> QuerySet[Quarantine]:
        rows: QuerySet[Quarantine] = Quarantine.objects.scope(self.principal)
        return rows.annotate(size_bytes=Length("body")).defer("body")


class QuarantineDetail(DetailView):
    """One row with its body."""

    admin_only = True
    serializer_class = serializers.QuarantineDetailSerializer

    def get_queryset(self) -> QuerySet[Quarantine]:
        rows: QuerySet[Quarantine] = Quarantine.objects.scope(self.principal)
        return rows.annotate(size_bytes=Length("body"))


class QuarantineAction(ApiView):
    """Closes open rows; those that are closed already are refused by id."""

    admin_only = True
    scopes: dict[str, Scope] = {"POST": "admin"}
    serializer_class = serializers.QuarantineIdsSerializer

    def open_rows(self, request: Request) -> tuple[list[int], dict[int, str]]:
        """(ids of open rows, why not for the others)."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        ids = set(asked.validated_data["ids"])
        rows = Quarantine.objects.scope(self.principal).filter(pk__in=ids)
        states = dict(rows.values_list("pk", "state"))
        refused = {
            pk: f"is {states[pk]}" if pk in states else "does not exist"
            for pk in sorted(ids)
            if states.get(pk) != Quarantine.State.OPEN
        }
        return sorted(ids - set(refused)), refused

    def result(self, action: str, done: int, refused: dict[int, str]) -> Response:
        log.info("quarantine", action=action, done=done, by=self.principal.name)
        rows = [{"id": pk, "detail": detail} for pk, detail in sorted(refused.items())]
        return Response({"done": done, "refused": rows})


class QuarantineReplay(QuarantineAction):
    """Send rows through the normal path again. What still can't be stored stays open."""

    @extend_schema(
        operation_id="quarantine_replay", responses=serializers.QuarantineResultSerializer
    )
    def post(self, request: Request) -> Response:
        ids, refused = self.open_rows(request)
        done, failed = replay.replay(ids, self.principal.name)
        return self.result("replay", done, refused | failed)


class QuarantineDiscard(QuarantineAction):
    """Close rows without storing them. They stay readable."""

    @extend_schema(
        operation_id="quarantine_discard", responses=serializers.QuarantineResultSerializer
    )
    def post(self, request: Request) -> Response:
        ids, refused = self.open_rows(request)
        return self.result("discard", quarantine.discard(ids, self.principal.name), refused)


class StatusView(ApiView):
    """Version and time for everybody; how the installation does for administrators."""

    serializer_class = serializers.StatusSerializer

    @extend_schema(operation_id="status")
    def get(self, request: Request) -> Response:
        may_look = self.principal.is_admin and "admin" in self.principal.scopes
        return Response(self.get_serializer(status.look(may_look)).data)
