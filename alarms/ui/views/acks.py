"""Acknowledging an alarm, and taking that back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from alarms.errors import DefinitionError, StateError
from alarms.models import Alarm
from alarms.muting import acks
from alarms.ui.access import changeable
from meters.ui.access import PageRequest, page


@page
def acknowledge(request: PageRequest, uuid: UUID) -> HttpResponse:
    """POST `do` = ack, with a `comment`, or unack."""
    alarm = changeable(request, uuid)
    who = request.principal
    try:
        match request.POST.get("do"):
            case "ack":
                asked = acks.check({"comment": request.POST.get("comment", "").strip()})
                acks.acknowledge(alarm, asked, who.user_id, who.name)
                words = "Acknowledged: it is not told again until the state changes."
            case "unack":
                acks.take_back(alarm, who.user_id)
                words = "It is not acknowledged any more."
            case other:
                raise BadRequest(f"do: {other!r} is neither ack nor unack")
    except (DefinitionError, StateError) as error:
        messages.error(request, str(error).capitalize())
    except Alarm.DoesNotExist as error:
        raise Http404 from error
    else:
        messages.info(request, words)
    return redirect("alarms:alarm", alarm.pk)


acknowledge = require_POST(acknowledge)
