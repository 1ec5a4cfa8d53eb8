"""Making and changing an alarm: one form, with a preview on the data that is there."""

from __future__ import annotations

from typing import Any, get_args
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from alarms import lifecycle
from alarms.choices import Severity
from alarms.definition.fields import Statistic
from alarms.definition.words import SIGNS, WORDS
from alarms.errors import ChangedError, QuotaError
from alarms.models import Alarm
from alarms.ui import forms
from alarms.ui.access import changeable
from alarms.ui.constraints import EXAMPLE
from alarms.ui.forms import AlarmForm
from alarms.ui.previewing import look
from alarms.ui.rulefields import FIELDS
from alarms.ui.views.alarms import may_make
from meters.models import Metric, Resource
from meters.ui import query
from meters.ui.access import PageRequest, page
from meters.ui.rendering import show_form
from meters.ui.views.plot import matching
from telemetry_site.clock import now

OFFERED = 20
SUGGESTIONS = 300
COMPARISONS = [
    (name, f"{SIGNS[name]} {WORDS[name]}") for name in ("gt", "ge", "lt", "le", "eq", "ne")
]
SAVE_ANYWAY = "Save again to put yours in its place, or cancel to see the other one."
STATISTICS = get_args(Statistic)
LABELS = {
    "metric": "Meter", "resource_id": "Resource", "query": "Which resources",
    "document": "Conditions", "pool_id": "Pool", "stack_id": "Stack",
    "autoscaling_group_id": "Autoscaling group", "time_constraints": "Only evaluated",
    "mute": "Quiet hours", "body": "Text",
}  # fmt: skip


@page
def new(request: PageRequest) -> HttpResponse:
    if not may_make(request):
        raise PermissionDenied("You may read the alarms of your projects, but make none.")
    if request.method != "POST":
        asked = query.text(request, "resource"), query.text(request, "meter")
        return _form(request, forms.suggested(request.principal, *asked))
    form = forms.sent(request.POST)
    if request.POST.get("do") == "preview":
        return _form(request, form)
    project_id = form.check_project(request.principal)
    definition = _definition(request, form, project_id)
    if form.errors:
        return _form(request, form)
    try:
        alarm = lifecycle.create(definition, project_id, request.principal.user_id)
    except QuotaError as error:
        form.errors["form"] = [str(error)]
        return _form(request, form)
    messages.info(request, "The alarm is made. It is evaluated within seconds.")
    return redirect("alarms:alarm", alarm.pk)


@page
def edit(request: PageRequest, uuid: UUID) -> HttpResponse:
    alarm = changeable(request, uuid)
    if request.method != "POST":
        return _form(request, forms.of_alarm(alarm), alarm)
    form = forms.sent(request.POST)
    form.values["project"] = alarm.project_id or ""
    if request.POST.get("do") == "preview":
        return _form(request, form, alarm)
    definition = _definition(request, form, alarm.project_id, alarm)
    if form.errors:
        return _form(request, form, alarm)
    try:
        lifecycle.change(alarm, definition, request.principal.user_id, form.version)
    except Alarm.DoesNotExist as error:
        raise Http404 from error
    except ChangedError:
        form.errors["form"] = [f"Somebody has changed the alarm meanwhile. {SAVE_ANYWAY}"]
        form.values["version"] = ""
        return _form(request, form, alarm)
    messages.info(request, "Saved. It is evaluated again within seconds.")
    return redirect("alarms:alarm", alarm.pk)


new = require_http_methods(["GET", "HEAD", "POST"])(new)
edit = require_http_methods(["GET", "HEAD", "POST"])(edit)


def _definition(
    request: PageRequest, form: AlarmForm, project_id: str | None, alarm: Alarm | None = None
) -> dict[str, Any]:
    definition = form.definition()
    form.check_actions(project_id, request.principal.is_admin, alarm)
    return definition


def _form(request: PageRequest, form: AlarmForm, alarm: Alarm | None = None) -> HttpResponse:
    """Errors of an empty form, as its preview finds them, are none."""
    principal = request.principal
    context = {
        "form": form,
        "errors": dict(form.errors),
        "alarm": alarm,
        "projects": forms.projects(principal) if alarm is None else [],
        "types": [(str(name), fields.label) for name, fields in FIELDS.items()],
        "severities": Severity.values,
        "statistics": STATISTICS,
        "methods": _with(forms.METHODS, form.values["aggregation_method"]),
        "comparisons": COMPARISONS,
        "meters": _distinct(Metric.objects.scope(principal), "name"),
        "resource_types": _distinct(Resource.objects.scope(principal), "type"),
        "granularities": forms.GRANULARITIES,
        "no_data": forms.NO_DATA,
        "constraint": EXAMPLE,
        **_preview(request, AlarmForm(form.values)),
    }
    title = f"Edit {alarm.name}" if alarm else "New alarm"
    return show_form(request, "alarm_form", context, section="alarms", title=title)


def _with(offered: tuple[str, ...], own: str) -> list[str]:
    return [*offered] if own in offered else [*offered, own]


def _distinct(rows: Any, name: str) -> list[str]:
    return list(rows.order_by(name).values_list(name, flat=True).distinct()[:SUGGESTIONS])


@page
def part(request: PageRequest) -> HttpResponse:
    """POST what stands in the form: the preview alone, for while somebody types."""
    context = _preview(request, forms.sent(request.POST))
    return render(request, "ui/alarm_preview.html", context)


part = require_POST(part)


def _preview(request: PageRequest, form: AlarmForm) -> dict[str, Any]:
    """Through the eyes of the form's project; nobody looks through those of a foreign one."""
    moment = now()
    project_id = form.check_project(request.principal)
    shown = None if form.errors else look(form, project_id, moment)
    missing = [
        f"{LABELS.get(name, name.replace('_', ' ').capitalize())}: {' '.join(words)}"
        for name, words in form.errors.items()
    ]
    return {"preview": shown, "missing": missing if form.has_begun else [], "now": moment}


@page
def offers(request: PageRequest) -> HttpResponse:
    """Metrics to make an alarm on, by words in meter, resource id or name."""
    visible = Metric.objects.scope(request.principal).select_related("resource")
    found = matching(visible, query.text(request, "q"))
    offered = found.order_by("name", "-pk")[:OFFERED]
    return render(request, "ui/alarm_offers.html", {"offered": offered})
