"""Silences and acknowledgements by the native door."""

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
from alarms.api.base import AlarmingView, AlarmView
from alarms.api.filters import SilenceFilters
from alarms.api.views.alarms import asked_project, fields_of
from alarms.models import Alarm, Silence
from alarms.muting import acks, matchers, silences
from meters.api.base import DetailView, ListView
from meters.api.projects import project_to_read, project_to_write
from telemetry_site.auth.principal import Scope

log = structlog.get_logger(__name__)

SHOWN = 1000


class SilenceView(AlarmingView):
    serializer_class = muting.SilenceSerializer

    def get_queryset(self) -> QuerySet[Silence]:
        found: QuerySet[Silence] = Silence.objects.scope(self.principal)
        return found


class SilenceList(SilenceView, ListView):
    """Silences of the caller's projects, the last to end first; those over for 30 days too."""

    filterset_class = SilenceFilters
    orderings = {
        "-ends_at": ("-ends_at", "id"),
        "ends_at": ("ends_at", "-id"),
        "-starts_at": ("-starts_at", "id"),
        "starts_at": ("starts_at", "-id"),
    }

    @extend_schema(
        operation_id="silences_create",
        request=muting.NewSilenceSerializer,
        responses={200: muting.SilenceSerializer, 201: muting.SilenceSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make a silence, or change the one whose `id` is given: other matchers, or one that is
        over, make a new one and end the old."""
        given = fields_of(request.data)
        old = self._old(given.pop("id", None))
        project = asked_project(given)
        asked = silences.check(given)
        if old is None:
            owner = project_to_write(self.principal, project) or None
            silence = silences.create(asked, owner, self.principal.user_id)
        else:
            self.check_edit(old)
            silence = silences.change(old, asked, self.principal.user_id)
        log.info("silence written", silence=str(silence.pk), by=self.principal.name)
        if old is not None and silence.pk == old.pk:
            return self.answer(silence)
        address = request.build_absolute_uri(reverse("alarms-api:silence", args=[silence.pk]))
        return self.answer(silence, 201, headers={"Location": address})

    def _old(self, given: Any) -> Silence | None:
        if given is None:
            return None
        ident = silences.id_of(given)
        found = self.get_queryset().filter(pk=ident).first() if ident else None
        if found is None:
            raise Http404
        return found


class SilenceDetail(SilenceView, DetailView):
    """One silence."""

    @extend_schema(operation_id="silences_expire", responses={204: None})
    def delete(self, request: Request, uuid: Any) -> Response:
        """End it now. It is shown for 30 days more."""
        silence: Silence = self.get_object()
        self.check_edit(silence)
        silences.expire(silence, self.principal.user_id)
        log.info("silence ended", silence=str(silence.pk), by=self.principal.name)
        return Response(status=204)


class SilencePreview(AlarmingView):
    """What matchers fit."""

    scopes: dict[str, Scope] = {"POST": "read"}
    serializer_class = muting.FittingSerializer

    @extend_schema(
        operation_id="silences_preview",
        request=muting.MatchersSerializer,
        responses=muting.FittingSerializer,
    )
    def post(self, request: Request) -> Response:
        """The project's alarms that `matchers` fit now. Further fields of a silence may be there,
        and are not looked at."""
        given = fields_of(request.data)
        project = project_to_read(self.principal, asked_project(given)) or None
        asked = matchers.check("matchers", given.get("matchers"))
        found = silences.fitting(asked, project, SHOWN)
        rows = self.alarms().filter(pk__in=found.ids).order_by("name", "pk")
        return self.answer({"total": found.total, "alarms": rows})


class AlarmAcknowledgement(AlarmView):
    """That somebody knows of an alarm."""

    serializer_class = muting.AckSerializer

    @extend_schema(operation_id="alarms_ack_show")
    def get(self, request: Request, uuid: Any) -> Response:
        """The acknowledgement that holds now; 404 where there is none."""
        alarm: Alarm = self.get_object()
        found = acks.of_alarms([alarm.pk])
        if alarm.pk not in found:
            raise Http404
        return self.answer(found[alarm.pk])

    @extend_schema(operation_id="alarms_ack", request=muting.NewAckSerializer)
    def post(self, request: Request, uuid: Any) -> Response:
        """Acknowledge an alarm: it is not told again until its state changes, or `until`. 409
        unless it is in alarm."""
        alarm = self.editable_alarm()
        asked = acks.check(fields_of(request.data))
        who = self.principal
        return self.answer(acks.acknowledge(alarm, asked, who.user_id, who.name))

    @extend_schema(operation_id="alarms_ack_delete", responses={204: None})
    def delete(self, request: Request, uuid: Any) -> Response:
        """Take it back. 409 where there is none."""
        acks.take_back(self.editable_alarm(), self.principal.user_id)
        return Response(status=204)
