"""Notifications: what was to be sent, how it went, once more or never."""

from __future__ import annotations

from typing import Any

import structlog
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from alarms import budget, outbox
from alarms.api import serializers
from alarms.api.base import AlarmingView, OfAlarmView
from alarms.api.filters import AllNotificationFilters, NotificationFilters
from alarms.choices import Delivery
from alarms.models import Notification
from meters.api.base import DetailView, ListView
from meters.api.errors import ConflictError

log = structlog.get_logger(__name__)


class NotificationView(AlarmingView):
    """Of the messages that the caller may see."""

    def get_queryset(self) -> QuerySet[Notification]:
        return self.notifications()


class NotificationList(NotificationView, ListView):
    """Messages of the caller's projects' alarms, also deleted ones; newest first."""

    serializer_class = serializers.NotificationSerializer
    filterset_class = AllNotificationFilters
    orderings = {
        "-created_at": ("-created_at", "id"),
        "created_at": ("created_at", "-id"),
    }


class AlarmNotifications(OfAlarmView, NotificationList):
    """Messages of one alarm, newest first."""

    filterset_class = NotificationFilters

    def get_queryset(self) -> QuerySet[Notification]:
        return super().get_queryset().filter(alarm_id=self.alarm().pk)


class NotificationDetail(NotificationView, DetailView):
    """One message with every attempt to send it."""

    serializer_class = serializers.NotificationDetailSerializer

    def get_queryset(self) -> QuerySet[Notification]:
        return super().get_queryset().prefetch_related("tries")


class NotificationAction(NotificationView):
    """Something done to one message."""

    serializer_class = serializers.NotificationSerializer

    def editable_row(self) -> Notification:
        row: Notification = self.get_object()
        self.check_edit(row)
        return row

    def rows(self) -> QuerySet[Notification]:
        return self.notifications().filter(pk=self.kwargs["uuid"])

    def done(self, action: str, status: int) -> Response:
        row = self.get_object()
        log.info("notification", action=action, id=str(row.pk), by=self.principal.name)
        return self.answer(row, status)


class NotificationRetry(NotificationAction):
    """Send it once more."""

    @extend_schema(
        operation_id="notifications_retry",
        request=None,
        responses={202: serializers.NotificationSerializer},
    )
    def post(self, request: Request, uuid: Any) -> Response:
        """Send it (again) at once, under the same id. Not what was delivered, nor for an alarm
        that is deleted."""
        row = self.editable_row()
        budget.take(self.principal, row.project_id)
        if not outbox.retry(self.rows()):
            delivered = self.get_object().status == Delivery.DELIVERED
            raise ConflictError("It is delivered." if delivered else "Its alarm is deleted.")
        return self.done("retry", 202)


class NotificationCancel(NotificationAction):
    """Send it no more."""

    @extend_schema(operation_id="notifications_cancel", request=None)
    def post(self, request: Request, uuid: Any) -> Response:
        """Cancel a message that waits. One that is on its way this moment may still arrive."""
        self.editable_row()
        if not outbox.cancel_pending(self.rows()):
            raise ConflictError(f"It is {self.get_object().status}, not pending.")
        return self.done("cancel", 200)
