"""Receivers: the list with what became of the last message, making, changing, trying, deleting."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from alarms import budget
from alarms.api.base import may_edit
from alarms.errors import QuotaError, StateError, TooOftenError
from alarms.models import Receiver
from alarms.telling import receivers
from alarms.ui import forms, telling
from alarms.ui.access import changeable_row
from alarms.ui.telling import TellingForm
from alarms.ui.views.alarms import may_make
from meters.ui.access import PageRequest, page
from meters.ui.rendering import listing, show, show_form

SECTION = "receivers"


@page
def list_receivers(request: PageRequest) -> HttpResponse:
    rows = Receiver.objects.scope(request.principal).with_outcome()
    found = listing(request, rows.order_by("name", "pk"))
    context = {
        "listing": found,
        "rows": [(one, may_edit(request.principal, one.project_id)) for one in found.page],
        "may_make": may_make(request),
    }
    return show(request, "receivers", context, section=SECTION, title="Receivers")


@page
def new(request: PageRequest) -> HttpResponse:
    if not may_make(request):
        raise PermissionDenied("You may read the receivers of your projects, but make none.")
    if request.method != "POST":
        return _form(request, TellingForm(dict(telling.BLANK_RECEIVER)))
    form = telling.sent(request.POST, telling.BLANK_RECEIVER)
    project_id = form.project(request.principal)
    asked = telling.asked_of_receiver(form, project_id, request.principal.is_admin)
    if asked is None:
        return _form(request, form)
    try:
        receivers.create(asked, project_id, request.principal.user_id)
    except (QuotaError, StateError) as error:
        form.errors["form"] = [str(error)]
        return _form(request, form)
    messages.info(request, f"The receiver is made: alarms name it as receiver://{asked.name}")
    return redirect("alarms:receivers")


@page
def edit(request: PageRequest, uuid: UUID) -> HttpResponse:
    one = changeable_row(request, Receiver, uuid)
    if request.method != "POST":
        return _form(request, telling.of_receiver(one), one)
    form = telling.sent(request.POST, telling.BLANK_RECEIVER)
    asked = telling.asked_of_receiver(form, one.project_id, request.principal.is_admin, one)
    if asked is None:
        return _form(request, form, one)
    try:
        receivers.change(one, asked, request.principal.user_id)
    except StateError as error:
        form.errors["form"] = [str(error)]
        return _form(request, form, one)
    except Receiver.DoesNotExist:
        messages.error(request, "It is deleted meanwhile.")
    else:
        messages.info(request, "The receiver is changed: what waits goes to it as it is now.")
    return redirect("alarms:receivers")


def _form(request: PageRequest, form: TellingForm, one: Receiver | None = None) -> HttpResponse:
    context = {
        "form": form,
        "errors": form.errors,
        "receiver": one,
        "projects": forms.projects(request.principal),
    }
    title = f"Receiver {one.name}" if one else "New receiver"
    return show_form(request, "receiver_form", context, section=SECTION, title=title)


@page
def delete(request: PageRequest, uuid: UUID) -> HttpResponse:
    one = changeable_row(request, Receiver, uuid)
    try:
        receivers.delete(one)
    except StateError as error:
        messages.error(request, str(error))
    else:
        messages.info(request, f"{one.name} is deleted, and what waited for it is cancelled.")
    return redirect("alarms:receivers")


@page
def test(request: PageRequest, uuid: UUID) -> HttpResponse:
    """POST: send a test message, and show what becomes of it."""
    one = changeable_row(request, Receiver, uuid)
    try:
        budget.take(request.principal, one.project_id)
    except TooOftenError as error:
        messages.error(request, str(error))
        return redirect("alarms:receivers")
    row = receivers.send_test(one, request.principal.name)
    return redirect("alarms:notification", row.pk)


new = require_http_methods(["GET", "HEAD", "POST"])(new)
edit = require_http_methods(["GET", "HEAD", "POST"])(edit)
delete, test = require_POST(delete), require_POST(test)
