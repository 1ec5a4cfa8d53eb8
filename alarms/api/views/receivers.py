"""Receivers by the native door."""

from __future__ import annotations

from typing import Any

import structlog
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from alarms import budget
from alarms.api import telling
from alarms.api.base import AlarmingView
from alarms.api.filters import ReceiverFilters
from alarms.api.views.alarms import asked_project, fields_of
from alarms.models import Receiver
from alarms.telling import receivers
from meters.api.base import DetailView, ListView
from meters.api.projects import project_to_write

log = structlog.get_logger(__name__)


class ReceiverView(AlarmingView):
    serializer_class: type[Serializer[Any]] = telling.ReceiverSerializer

    def get_queryset(self) -> QuerySet[Receiver]:
        found: QuerySet[Receiver] = Receiver.objects.scope(self.principal).with_outcome()
        return found

    def shown(self, receiver: Receiver, status: int = 200, **more: Any) -> Response:
        """As the list shows it, with what became of the last message."""
        return self.answer(self.get_queryset().get(pk=receiver.pk), status, **more)


class ReceiverList(ReceiverView, ListView):
    """Receivers of the caller's projects, by name."""

    filterset_class = ReceiverFilters
    orderings = {
        "name": ("name", "id"),
        "-name": ("-name", "-id"),
        "created_at": ("created_at", "-id"),
        "-created_at": ("-created_at", "id"),
    }

    @extend_schema(
        operation_id="receivers_create",
        request=telling.NewReceiverSerializer,
        responses={201: telling.ReceiverSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make one. Alarms and routes of its project name it as `receiver://name`."""
        given = fields_of(request.data)
        owner = project_to_write(self.principal, asked_project(given)) or None
        asked = receivers.check(given, owner, self.principal.is_admin)
        made = receivers.create(asked, owner, self.principal.user_id)
        log.info("receiver made", receiver=str(made.pk), by=self.principal.name)
        address = request.build_absolute_uri(reverse("alarms-api:receiver", args=[made.pk]))
        return self.shown(made, 201, headers={"Location": address})


class EditableReceiver(ReceiverView):
    def editable(self) -> Receiver:
        receiver: Receiver = self.get_object()
        self.check_edit(receiver)
        return receiver


class ReceiverDetail(EditableReceiver, DetailView):
    """One receiver."""

    @extend_schema(operation_id="receivers_change", request=telling.ChangedReceiverSerializer)
    def patch(self, request: Request, uuid: Any) -> Response:
        """Change the fields that are given. What waits goes to the new address; one that is named
        somewhere keeps its name (409)."""
        one = self.editable()
        asked = receivers.check(
            fields_of(request.data), one.project_id, self.principal.is_admin, one
        )
        changed = receivers.change(one, asked, self.principal.user_id)
        log.info("receiver changed", receiver=str(one.pk), by=self.principal.name)
        return self.shown(changed)

    @extend_schema(operation_id="receivers_delete", responses={204: None})
    def delete(self, request: Request, uuid: Any) -> Response:
        """Delete it, and cancel what waits for it. 409 while alarms or routes name it."""
        one = self.editable()
        receivers.delete(one)
        log.info("receiver deleted", receiver=str(one.pk), by=self.principal.name)
        return Response(status=204)


class ReceiverTest(EditableReceiver):
    """A test message to a receiver."""

    serializer_class = telling.TriedSerializer

    @extend_schema(operation_id="receivers_test", request=None)
    def post(self, request: Request, uuid: Any) -> Response:
        """Send a test message as every message is sent, and wait for the answer; 429 when it is
        asked for too often."""
        one = self.editable()
        budget.take(self.principal, one.project_id)
        log.info("receiver tested", receiver=str(one.pk), by=self.principal.name)
        return self.answer(receivers.try_out(one, self.principal.name))
