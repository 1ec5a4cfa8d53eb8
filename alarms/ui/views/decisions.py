"""What people do to an alarm besides writing it: enable, disable, delete, set the state, test."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from alarms import budget, lifecycle, outbox
from alarms.choices import Delivery, State
from alarms.errors import TooOftenError
from alarms.models import Alarm, Notification
from alarms.ui.access import changeable
from meters.ui.access import PageRequest, page
from meters.ui.rendering import show

MANUALLY = "Manually set"


@page
def enable(request: PageRequest, uuid: UUID) -> HttpResponse:
    """POST `enabled` = yes or no."""
    alarm = changeable(request, uuid)
    asked = request.POST.get("enabled")
    if asked not in ("yes", "no"):
        raise BadRequest(f"enabled: {asked!r} is neither yes nor no")
    try:
        lifecycle.change(alarm, {"enabled": asked == "yes"}, request.principal.user_id)
    except Alarm.DoesNotExist as error:
        raise Http404 from error
    messages.info(request, "Enabled." if asked == "yes" else "Disabled: it is not evaluated.")
    return redirect("alarms:alarm", alarm.pk)


@page
def delete(request: PageRequest, uuid: UUID) -> HttpResponse:
    """GET asks whether it is meant, POST does it."""
    alarm = changeable(request, uuid)
    if request.method == "POST":
        lifecycle.delete(alarm, request.principal.user_id)
        messages.info(request, f"{alarm.name} is deleted.")
        return redirect("alarms:alarms")
    waiting = Notification.objects.scope(request.principal).filter(
        alarm_id=alarm.pk, status=Delivery.PENDING
    )
    context = {"alarm": alarm, "waiting": waiting.count()}
    return show(request, "alarm_delete", context, section="alarms", title=f"Delete {alarm.name}")


@page
def state(request: PageRequest, uuid: UUID) -> HttpResponse:
    """POST `state`; the next evaluation may move it on."""
    alarm = changeable(request, uuid)
    wanted = _state(request)
    reason = f"{MANUALLY} by {request.principal.name}"
    try:
        lifecycle.set_state(alarm, wanted, request.principal.user_id, reason)
    except Alarm.DoesNotExist as error:
        raise Http404 from error
    messages.info(request, f"The state is set to {wanted}. No action was taken for it.")
    return redirect("alarms:alarm", alarm.pk)


@page
def test(request: PageRequest, uuid: UUID) -> HttpResponse:
    """POST `state`: a test message to each receiver of that state."""
    alarm = changeable(request, uuid)
    wanted = _state(request)
    try:
        budget.take(request.principal, alarm.project_id)
    except TooOftenError as error:
        messages.error(request, str(error))
        return redirect("alarms:alarm", alarm.pk)
    rows = outbox.send_test(alarm, wanted, request.principal.name)
    if len(rows) == 1:
        return redirect("alarms:notification", rows[0].pk)
    if rows:
        messages.info(request, f"{len(rows)} test notifications are on their way.")
    else:
        messages.info(request, "No receiver is set for this state, so nothing is sent.")
    return redirect("alarms:alarm", alarm.pk)


def _state(request: PageRequest) -> str:
    asked = request.POST.get("state", "")
    if asked not in State.values:
        raise BadRequest(f"state: {asked!r} is not one of {', '.join(State.values)}")
    return asked


enable, state, test = require_POST(enable), require_POST(state), require_POST(test)
delete = require_http_methods(["GET", "HEAD", "POST"])(delete)
