"""Inhibitions: the list with a form for one more, deleting one."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from alarms.api.base import may_edit
from alarms.errors import DefinitionError, QuotaError
from alarms.models import Inhibition
from alarms.muting import inhibitions, matchers
from alarms.ui import forms
from alarms.ui.access import changeable_row
from alarms.ui.silencing import to_matchers
from alarms.ui.views.alarms import may_make
from meters.ui.access import PageRequest, page
from meters.ui.rendering import listing, show_form

MAX_INPUT = 16_384
FIELDS = ("project", "source", "target", "comment")


@page
def list_inhibitions(request: PageRequest) -> HttpResponse:
    """POST makes one; 422 where what was sent has errors."""
    values = {name: request.POST.get(name, "").strip()[:MAX_INPUT] for name in FIELDS}
    equal = request.POST.getlist("equal")
    errors: dict[str, list[str]] = {}
    if request.method == "POST":
        errors = _create(request, values, equal)
        if not errors:
            messages.info(request, "The inhibition is made.")
            return redirect("alarms:inhibitions")
    rows = Inhibition.objects.scope(request.principal)
    found = listing(request, rows.order_by("-created_at", "pk"))
    context = {
        "listing": found,
        "rows": [
            (one, matchers.in_words(one.source), matchers.in_words(one.target),
             may_edit(request.principal, one.project_id))
            for one in found.page
        ],
        "values": values,
        "equal": equal,
        "errors": errors,
        "labels": matchers.LABELS,
        "projects": forms.projects(request.principal),
        "may_make": may_make(request),
    }  # fmt: skip
    return show_form(request, "inhibitions", context, section="inhibitions", title="Inhibitions")


def _create(request: PageRequest, values: dict[str, str], equal: list[str]) -> dict[str, list[str]]:
    """Errors by field; none: it is made."""
    project = values["project"] or forms.usual_project(request.principal)
    if not may_make(request) or not may_edit(request.principal, project or None):
        raise PermissionDenied("You may inhibit no alarms of this project.")
    try:
        fields = {name: _matchers(name, values[name]) for name in ("source", "target")}
        asked = inhibitions.check({**fields, "equal": equal, "comment": values["comment"]})
        inhibitions.create(asked, project or None, request.principal.user_id)
    except DefinitionError as error:
        name = error.field.partition("[")[0]
        return {name: [f"{error.detail[:1].upper()}{error.detail[1:]}."]}
    except QuotaError as error:
        return {"source": [str(error)]}
    return {}


def _matchers(name: str, text: str) -> list[dict[str, object]]:
    try:
        return to_matchers(text)
    except DefinitionError as error:
        raise DefinitionError(name, error.detail) from error


@page
def delete(request: PageRequest, uuid: UUID) -> HttpResponse:
    one = changeable_row(request, Inhibition, uuid)
    inhibitions.delete(one)
    messages.info(request, "The inhibition is deleted: what it kept back and is still so is sent.")
    return redirect("alarms:inhibitions")


list_inhibitions = require_http_methods(["GET", "HEAD", "POST"])(list_inhibitions)
delete = require_POST(delete)
