"""Routes: the list in the order in which they take alarms, making, changing, deleting."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from alarms.api.base import may_edit
from alarms.choices import Severity, Type
from alarms.errors import QuotaError
from alarms.models import Route
from alarms.telling import routes
from alarms.telling.matching import GROUP_LABELS
from alarms.ui import forms, telling
from alarms.ui.access import changeable_row
from alarms.ui.telling import TellingForm
from alarms.ui.views.alarms import may_make
from meters.ui.access import PageRequest, page
from meters.ui.rendering import listing, show, show_form

SECTION = "receivers"


@page
def list_routes(request: PageRequest) -> HttpResponse:
    rows = Route.objects.scope(request.principal)
    found = listing(request, rows.order_by("position", "created_at", "pk"))
    context = {
        "listing": found,
        "rows": [(one, may_edit(request.principal, one.project_id)) for one in found.page],
        "may_make": may_make(request),
    }
    return show(request, "routes", context, section=SECTION, title="Routes")


@page
def new(request: PageRequest) -> HttpResponse:
    if not may_make(request):
        raise PermissionDenied("You may read the routes of your projects, but make none.")
    if request.method != "POST":
        return _form(request, TellingForm(dict(telling.BLANK_ROUTE), ["severity"]))
    form = telling.sent(request.POST, telling.BLANK_ROUTE)
    project_id = form.project(request.principal)
    asked = telling.asked_of_route(form, project_id, request.principal.is_admin)
    if asked is None:
        return _form(request, form)
    try:
        routes.create(asked, project_id, request.principal.user_id)
    except QuotaError as error:
        form.errors["form"] = [str(error)]
        return _form(request, form)
    messages.info(request, "The route is made: it takes alarms that have the action route://")
    return redirect("alarms:routes")


@page
def edit(request: PageRequest, uuid: UUID) -> HttpResponse:
    one = changeable_row(request, Route, uuid)
    if request.method != "POST":
        return _form(request, telling.of_route(one), one)
    form = telling.sent(request.POST, telling.BLANK_ROUTE)
    asked = telling.asked_of_route(form, one.project_id, request.principal.is_admin)
    if asked is None:
        return _form(request, form, one)
    try:
        routes.change(one, asked, request.principal.user_id)
    except Route.DoesNotExist:
        messages.error(request, "It is deleted meanwhile.")
    else:
        messages.info(request, "The route is changed. What waits is gathered anew.")
    return redirect("alarms:routes")


def _form(request: PageRequest, form: TellingForm, one: Route | None = None) -> HttpResponse:
    context = {
        "form": form,
        "errors": form.errors,
        "route": one,
        "projects": forms.projects(request.principal),
        "severities": Severity.values,
        "types": Type.choices,
        "labels": GROUP_LABELS,
        "is_of_house": request.principal.is_admin and (one is None or one.project_id is None),
    }
    title = "Change route" if one else "New route"
    return show_form(request, "route_form", context, section=SECTION, title=title)


@page
def delete(request: PageRequest, uuid: UUID) -> HttpResponse:
    routes.delete(changeable_row(request, Route, uuid))
    messages.info(request, "The route is deleted: what waits goes to the next that takes it.")
    return redirect("alarms:routes")


new = require_http_methods(["GET", "HEAD", "POST"])(new)
edit = require_http_methods(["GET", "HEAD", "POST"])(edit)
delete = require_POST(delete)
