"""Notifications: what is to be sent, what became of it, sending it again."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from alarms import budget, outbox
from alarms.api.base import may_edit
from alarms.choices import WAITING, Delivery
from alarms.errors import TooOftenError
from alarms.models import Alarm, Notification, NotificationAttempt, Receiver, Silence
from alarms.notifier import limits
from alarms.ui import told
from alarms.ui.access import require_change, visible_notification
from meters.ui import query
from meters.ui.access import PageRequest, page
from meters.ui.rendering import listing, show

KINDS = ("test", "real")
GROUPED_SHOWN = 100


@page
def notifications(request: PageRequest) -> HttpResponse:
    rows = Notification.objects.scope(request.principal)
    status = query.choice(request, "status", Delivery.values)
    kind = query.choice(request, "kind", KINDS)
    [alarm_id] = query.uuids(request, "alarm", 1) or [None]
    [receiver_id] = query.uuids(request, "receiver", 1) or [None]
    if status:
        rows = rows.filter(status=status)
    if kind:
        rows = rows.filter(is_test=kind == "test")
    if alarm_id:
        rows = rows.filter(alarm_id=alarm_id)
    if receiver_id:
        rows = rows.filter(receiver_id=receiver_id)
    receiver = Receiver.objects.scope(request.principal).filter(pk=receiver_id).first()
    context = {
        "listing": listing(request, with_answers(request, rows)),
        "status": status,
        "statuses": Delivery.values,
        "kind": kind,
        "alarm_id": alarm_id,
        "alarm_name": _name(request, alarm_id) if alarm_id else "",
        "receiver_id": receiver_id,
        "receiver_name": receiver.name if receiver else receiver_id,
        "filtered": bool(status or kind or alarm_id or receiver_id),
        "held_up": limits.held_up(Notification.objects.scope(request.principal)).count(),
        "limit": settings.TELEMETRY_NOTIFICATIONS_PER_MINUTE,
    }
    return show(request, "notifications", context, section="notifications", title="Notifications")


def with_answers(request: PageRequest, rows: QuerySet[Notification]) -> QuerySet[Notification]:
    """Newest first, for administrators with the beginning of the receiver's last answer."""
    rows = rows.order_by("-created_at", "pk")
    if not request.principal.is_admin:
        return rows
    tries = NotificationAttempt.objects.filter(notification=OuterRef("pk")).order_by("-number")
    return rows.annotate(answer=Subquery(tries.values("answer")[:1]))


def _name(request: PageRequest, alarm_id: UUID) -> str:
    """The name of an alarm, or of one that is deleted as its messages have it."""
    alarms = Alarm.objects.scope(request.principal).filter(pk=alarm_id).values_list("name")
    sent = Notification.objects.scope(request.principal).filter(alarm_id=alarm_id)
    found = alarms.first() or sent.values_list("alarm_name").first()
    return str(found[0]) if found else str(alarm_id)


@page
def notification(request: PageRequest, uuid: UUID) -> HttpResponse:
    one = visible_notification(request, uuid)
    changes = may_edit(request.principal, one.project_id)
    alive = Alarm.objects.scope(request.principal).filter(pk=one.alarm_id).exists()
    context = {
        "notification": one,
        "tries": one.tries.order_by("-number"),
        "is_admin": request.principal.is_admin,
        "body": told.laid_out(one.body),
        "alarm_is_there": alive,
        "may_retry": changes and (alive or one.is_of_route) and one.status not in _DONE,
        "may_cancel": changes and one.status in WAITING,
        "grouped": _grouped(request, one),
        "silences": Silence.objects.scope(request.principal).filter(pk__in=one.silenced_by),
        "inhibitors": Alarm.objects.scope(request.principal).filter(pk__in=one.inhibited_by),
    }
    title = f"Notification of {one.alarm_name}"
    return show(request, "notification", context, section="notifications", title=title)


#: Nothing more is sent for these, and what waits for its route is sent with that.
_DONE = (Delivery.DELIVERED, Delivery.GROUPED, Delivery.GATHERING)


def _grouped(request: PageRequest, one: Notification) -> QuerySet[Notification]:
    """Of a route's message what it tells; of what was told by a route the messages that did."""
    rows = Notification.objects.scope(request.principal)
    if one.group_no is None:
        return rows.none()
    rows = rows.filter(group_id=one.group_id, group_no=one.group_no)
    is_of_route = Q(alarm_id=F("group_id"))
    rows = rows.exclude(is_of_route) if one.is_of_route else rows.filter(is_of_route)
    return rows.order_by("created_at", "pk")[:GROUPED_SHOWN]


@page
def decide(request: PageRequest, uuid: UUID) -> HttpResponse:
    """POST `do` = retry or cancel."""
    one = visible_notification(request, uuid)
    require_change(request.principal, one.project_id)
    rows = Notification.objects.scope(request.principal).filter(pk=one.pk)
    match request.POST.get("do"):
        case "retry":
            words = _retry(request, rows, one.project_id)
        case "cancel":
            done = outbox.cancel_pending(rows)
            words = "It is cancelled." if done else "It no longer waits: nothing was cancelled."
        case other:
            raise BadRequest(f"do: {other!r} is neither retry nor cancel")
    messages.info(request, words)
    return redirect("alarms:notification", one.pk)


decide = require_POST(decide)


def _retry(request: PageRequest, rows: QuerySet[Notification], project_id: str | None) -> str:
    try:
        budget.take(request.principal, project_id)
    except TooOftenError as error:
        return str(error)
    return "It is tried again now." if outbox.retry(rows) else "It can't be tried again."
