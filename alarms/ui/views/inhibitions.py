"""Inhibitions: the list with a form for one more, changing and deleting one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
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
from alarms.ui.silencing import to_lines, to_matchers
from alarms.ui.views.alarms import may_make
from meters.ui.access import PageRequest, page
from meters.ui.rendering import listing, show_form

MAX_INPUT = 16_384
FIELDS = ("project", "source", "target", "comment")


class Typed(NamedTuple):
    """What stands in the form."""

    values: dict[str, str]
    equal: Sequence[str]

    def asked(self) -> inhibitions.Asked:
        """Raises `DefinitionError`."""
        fields = {name: _matchers(name, self.values[name]) for name in ("source", "target")}
        more = {"equal": self.equal, "comment": self.values["comment"]}
        return inhibitions.check({**fields, **more})


def _sent(request: PageRequest) -> Typed:
    values = {name: request.POST.get(name, "").strip()[:MAX_INPUT] for name in FIELDS}
    return Typed(values, request.POST.getlist("equal"))


def _of(one: Inhibition) -> Typed:
    values = {"project": one.project_id or "", "comment": one.comment}
    lines = {"source": to_lines(one.source), "target": to_lines(one.target)}
    return Typed(values | lines, one.equal)


@page
def list_inhibitions(request: PageRequest) -> HttpResponse:
    """POST makes one; 422 where what was sent has errors."""
    typed = _sent(request)
    errors: dict[str, list[str]] = {}
    if request.method == "POST":
        errors = _create(request, typed)
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
        "projects": forms.projects(request.principal),
        "may_make": may_make(request),
        **_shown(typed, errors),
    }  # fmt: skip
    return show_form(request, "inhibitions", context, section="inhibitions", title="Inhibitions")


def _shown(typed: Typed, errors: dict[str, list[str]]) -> dict[str, Any]:
    return {**typed._asdict(), "errors": errors, "labels": matchers.LABELS}


def _create(request: PageRequest, typed: Typed) -> dict[str, list[str]]:
    """Errors by field; none: it is made."""
    project = typed.values["project"] or forms.usual_project(request.principal)
    if not may_make(request) or not may_edit(request.principal, project or None):
        raise PermissionDenied("You may inhibit no alarms of this project.")
    try:
        inhibitions.create(typed.asked(), project or None, request.principal.user_id)
    except DefinitionError as error:
        return _errors(error)
    except QuotaError as error:
        return {"source": [str(error)]}
    return {}


def _errors(error: DefinitionError) -> dict[str, list[str]]:
    name = error.field.partition("[")[0]
    return {name: [f"{error.detail[:1].upper()}{error.detail[1:]}."]}


@page
def edit(request: PageRequest, uuid: UUID) -> HttpResponse:
    one = changeable_row(request, Inhibition, uuid)
    if request.method != "POST":
        return _form(request, one, _of(one), {})
    typed = _sent(request)
    try:
        inhibitions.change(one, typed.asked(), request.principal.user_id)
    except DefinitionError as error:
        return _form(request, one, typed, _errors(error))
    except Inhibition.DoesNotExist:
        messages.error(request, "It is deleted meanwhile.")
    else:
        messages.info(request, "The inhibition is changed. What it keeps back is judged anew.")
    return redirect("alarms:inhibitions")


def _form(
    request: PageRequest, one: Inhibition, typed: Typed, errors: dict[str, list[str]]
) -> HttpResponse:
    context = {"inhibition": one, **_shown(typed, errors)}
    return show_form(
        request, "inhibition_form", context, section="inhibitions", title="Change inhibition"
    )


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
edit = require_http_methods(["GET", "HEAD", "POST"])(edit)
delete = require_POST(delete)
