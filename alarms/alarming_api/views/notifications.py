"""Every attempt to tell somebody of an alarm, and what was kept back; aodh has none of it."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from alarms.alarming_api import notifications, paging
from alarms.alarming_api.base import AlarmingView
from alarms.models import Notification
from meters.wsme import simple
from meters.wsme.errors import Fault

NO_NOTIFICATION = "Notification ID not found"


class NotificationView(AlarmingView):
    def messages(self, whose: Q) -> QuerySet[Notification]:
        """Those that the caller may be told of, among `whose`."""
        found = notifications.messages().filter(whose)
        return found if self.caller.is_admin else found.for_people()

    def shown(self, row: Any) -> dict[str, Any]:
        return notifications.row_json(row, self.caller.is_admin)


class Notifications(NotificationView):
    parameters = (*simple.NAMES, *paging.NAMES)

    def get(self, request: Request) -> HttpResponse:
        """Newest message first, each with its last attempt first."""
        self.require(self.may_read)
        terms = simple.read_terms(request.GET)
        wanted = notifications.condition(terms)
        own = self.messages(self.asked_projects(terms))
        rows = notifications.attempts(own.filter(wanted).defer("body", "template"))
        listed = paging.page(rows, request.GET, notifications.LISTING, among=own)
        return self.answer([self.shown(row) for row in listed])


class OneNotification(NotificationView):
    def get(self, request: Request, row_id: str) -> HttpResponse:
        """A row, with the body as it is sent."""
        wanted = notifications.read_id(row_id)
        row: Any = None
        if wanted is not None:
            of_message = self.messages(self.visible & Q(pk=wanted.message))
            rows = notifications.attempts(of_message)
            row = rows.filter(attempt_no=wanted.number).first()
        if row is None:
            raise Fault(404, NO_NOTIFICATION)
        self.require(self.may_read)
        return self.answer(self.shown(row) | {"body": row.body})
