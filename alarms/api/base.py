"""What the views of alarms and notifications share: scopes, who may edit, errors."""

from __future__ import annotations

from typing import Any, Protocol

from django.db.models import QuerySet
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import get_object_or_404
from rest_framework.response import Response

from alarms.api.errors import translate
from alarms.models import Alarm, Notification
from meters.api.base import ApiView
from telemetry_site.auth.principal import Principal, Scope


def may_edit(principal: Principal, project_id: str | None) -> bool:
    """Whether alarms of this project are the principal's to change, and so to see whole."""
    return "alarms" in principal.scopes and principal.may_write(project_id or "")


class Owned(Protocol):
    """A row of a project's."""

    project_id: str | None


class AlarmingView(ApiView):
    """Writing needs the scope `alarms`, and a role that may write for the row's project."""

    lookup_url_kwarg = "uuid"
    scopes: dict[str, Scope] = {
        "POST": "alarms", "PUT": "alarms", "PATCH": "alarms", "DELETE": "alarms",
    }  # fmt: skip

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(translate(exc))

    def alarms(self) -> QuerySet[Alarm]:
        found: QuerySet[Alarm] = Alarm.objects.scope(self.principal)
        return found

    def notifications(self) -> QuerySet[Notification]:
        return Notification.objects.scope(self.principal)

    def check_edit(self, row: Owned) -> None:
        if not may_edit(self.principal, row.project_id):
            raise PermissionDenied("You may read the alarms of this project, not change them.")

    def answer(self, row: Any, status: int = 200, **more: Any) -> Response:
        return Response(self.get_serializer(row).data, status=status, **more)


class AlarmView(AlarmingView):
    """Of one alarm. One of another project is the same 404 as none."""

    def get_queryset(self) -> QuerySet[Alarm]:
        return self.alarms()

    def editable_alarm(self) -> Alarm:
        alarm: Alarm = self.get_object()
        self.check_edit(alarm)
        return alarm


class OfAlarmView(AlarmingView):
    """Of the rows that belong to one alarm."""

    def alarm(self) -> Alarm:
        found: Alarm = get_object_or_404(self.alarms(), pk=self.kwargs["uuid"])
        return found
