"""Inhibitions by the native door."""

from __future__ import annotations

from typing import Any

import structlog
from django.db.models import QuerySet
from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from alarms.api import muting
from alarms.api.base import AlarmingView
from alarms.api.filters import InhibitionFilters
from alarms.api.views.alarms import asked_project, fields_of
from alarms.models import Inhibition
from alarms.muting import inhibitions
from meters.api.base import DetailView, ListView
from meters.api.projects import project_to_write

log = structlog.get_logger(__name__)


class InhibitionView(AlarmingView):
    serializer_class = muting.InhibitionSerializer

    def get_queryset(self) -> QuerySet[Inhibition]:
        found: QuerySet[Inhibition] = Inhibition.objects.scope(self.principal)
        return found


class InhibitionList(InhibitionView, ListView):
    """Inhibitions of the caller's projects, newest first."""

    filterset_class = InhibitionFilters
    orderings = {"-created_at": ("-created_at", "id"), "created_at": ("created_at", "-id")}

    @extend_schema(
        operation_id="inhibitions_create",
        request=muting.NewInhibitionSerializer,
        responses={201: muting.InhibitionSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make one. It counts for messages from now on."""
        given = fields_of(request.data)
        project = asked_project(given)
        asked = inhibitions.check(given)
        owner = project_to_write(self.principal, project) or None
        made = inhibitions.create(asked, owner, self.principal.user_id)
        log.info("inhibition made", inhibition=str(made.pk), by=self.principal.name)
        address = request.build_absolute_uri(reverse("alarms-api:inhibition", args=[made.pk]))
        return self.answer(made, 201, headers={"Location": address})


class InhibitionDetail(InhibitionView, DetailView):
    """One inhibition."""

    @extend_schema(operation_id="inhibitions_replace", request=muting.NewInhibitionSerializer)
    def put(self, request: Request, uuid: Any) -> Response:
        """Replace it: a field that is not given gets its default. What it kept back and does no
        longer is sent."""
        one: Inhibition = self.get_object()
        self.check_edit(one)
        asked = inhibitions.check(fields_of(request.data))
        try:
            changed = inhibitions.change(one, asked, self.principal.user_id)
        except Inhibition.DoesNotExist as error:
            raise Http404 from error
        log.info("inhibition changed", inhibition=str(one.pk), by=self.principal.name)
        return self.answer(changed)

    @extend_schema(operation_id="inhibitions_delete", responses={204: None})
    def delete(self, request: Request, uuid: Any) -> Response:
        """Delete it: what it kept back and is still so is sent."""
        one: Inhibition = self.get_object()
        self.check_edit(one)
        log.info("inhibition deleted", inhibition=str(one.pk), by=self.principal.name)
        inhibitions.delete(one)
        return Response(status=204)
