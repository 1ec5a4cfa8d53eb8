"""Silences: the list, a new one with a preview of what it fits, ending one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from alarms.choices import SilenceState
from alarms.errors import DefinitionError, QuotaError
from alarms.models import Alarm, Silence
from alarms.muting import matchers, silences
from alarms.muting.fields import free_text
from alarms.ui import forms, silencing
from alarms.ui.access import changeable, require_change, visible
from alarms.ui.silencing import SilenceForm
from alarms.ui.views.alarms import may_make
from meters.ui import query
from meters.ui.access import PageRequest, page
from meters.ui.rendering import listing, show, show_form

SHOWN = 50
HOURS = ("1", "4", "24")


@page
def list_silences(request: PageRequest) -> HttpResponse:
    state = query.choice(request, "state", SilenceState.values, SilenceState.ACTIVE)
    rows = Silence.objects.scope(request.principal)
    order = "-ends_at" if state == SilenceState.EXPIRED else "ends_at"
    found = listing(request, rows.in_state(state).order_by(order, "pk"))
    context = {
        "listing": found,
        "state": state,
        "counts": [(one, rows.in_state(one).count()) for one in _TABS],
        "may_make": may_make(request),
        "rows": [
            (one, matchers.in_words(one.matchers), _may_change(request, one)) for one in found.page
        ],
    }
    return show(request, "silences", context, section="silences", title="Silences")


_TABS = (SilenceState.ACTIVE, SilenceState.PENDING, SilenceState.EXPIRED)


def _may_change(request: PageRequest, silence: Silence) -> bool:
    try:
        require_change(request.principal, silence.project_id)
    except PermissionDenied:
        return False
    return True


@page
def new(request: PageRequest) -> HttpResponse:
    if not may_make(request):
        raise PermissionDenied("You may read the alarms of your projects, but silence none.")
    if request.method != "POST":
        return _form(request, _begun(request))
    form = silencing.sent(request.POST)
    if request.POST.get("do") == "preview":
        return _form(request, form)
    project_id = form.project(request.principal)
    asked = form.asked(request.principal.name)
    if asked is None or form.errors:
        return _form(request, form)
    try:
        silences.create(asked, project_id, request.principal.user_id)
    except QuotaError as error:
        form.errors["form"] = [str(error)]
        return _form(request, form)
    messages.info(request, "The silence is made. The alarms are evaluated as ever.")
    return redirect("alarms:silences")


new = require_http_methods(["GET", "HEAD", "POST"])(new)


def _begun(request: PageRequest) -> SilenceForm:
    """Empty, of an alarm (`alarm`) or like a silence (`like`)."""
    for alarm_id in query.uuids(request, "alarm", 1):
        return silencing.of_alarm(visible(request, alarm_id))
    for silence_id in query.uuids(request, "like", 1):
        return silencing.of_silence(_visible(request, silence_id))
    return SilenceForm(dict(silencing.BLANK))


def _form(request: PageRequest, form: SilenceForm) -> HttpResponse:
    context = {
        "form": form,
        "errors": dict(form.errors),
        "durations": silencing.DURATIONS,
        "labels": matchers.LABELS,
        "projects": forms.projects(request.principal),
        **_preview(request, SilenceForm(form.values)),
    }
    return show_form(request, "silence_form", context, section="silences", title="New silence")


def _preview(request: PageRequest, form: SilenceForm) -> dict[str, Any]:
    """The alarms that are fitted now."""
    if not form.values["matchers"]:
        return {"fitting": None, "wrong": [], "total": 0}
    project_id = form.project(request.principal)
    asked = form.matchers()
    if form.errors:
        return {"fitting": None, "wrong": form.problems, "total": 0}
    found = silences.fitting(asked, project_id, SHOWN)
    rows = Alarm.objects.scope(request.principal).filter(pk__in=found.ids)
    return {"fitting": rows.order_by("name", "pk"), "wrong": [], "total": found.total}


@page
def preview(request: PageRequest) -> HttpResponse:
    """POST what stands in the form: what it fits, while somebody types."""
    context = _preview(request, silencing.sent(request.POST))
    return render(request, "ui/silence_preview.html", context)


@page
def expire(request: PageRequest, uuid: UUID) -> HttpResponse:
    """POST: end it now. `back` is the alarm to go back to."""
    silence = _visible(request, uuid)
    require_change(request.principal, silence.project_id)
    done = silences.expire(silence, request.principal.user_id)
    words = "The silence is ended: what it kept back and is still so is sent now."
    messages.info(request, words if done else "It is over already.")
    back = request.POST.get("back", "")
    if silences.id_of(back):
        return redirect("alarms:alarm", back)
    return redirect("alarms:silences")


@page
def of_alarm(request: PageRequest, uuid: UUID) -> HttpResponse:
    """POST `hours` and `comment`: silence one alarm."""
    alarm = changeable(request, uuid)
    form = silencing.of_alarm(alarm)
    hours = request.POST.get("hours", "")
    try:
        form.values["comment"] = free_text("comment", request.POST.get("comment", "").strip())
        form.values["length"] = str(3600 * int(hours)) if hours in HOURS else "3600"
        asked = form.asked(request.principal.name)
        if asked is None:
            raise DefinitionError("", "; ".join(form.problems))
        silences.create(asked, alarm.project_id, request.principal.user_id)
    except DefinitionError as error:
        messages.error(request, f"It was not silenced: {error}.")
    except QuotaError as error:
        messages.error(request, f"It was not silenced. {error}")
    else:
        messages.info(request, "Silenced: nobody is told, and it is evaluated as ever.")
    return redirect("alarms:alarm", alarm.pk)


preview, expire, of_alarm = require_POST(preview), require_POST(expire), require_POST(of_alarm)


def _visible(request: PageRequest, uuid: UUID) -> Silence:
    found: Silence = get_object_or_404(Silence.objects.scope(request.principal), pk=uuid)
    return found
