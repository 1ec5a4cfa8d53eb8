"""Alarms: the list, one alarm, the data of its plot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse, JsonResponse
from django.urls import reverse

from alarms.api.base import may_edit
from alarms.choices import Change, Severity, State
from alarms.definition import ResourceThreshold, SeriesRule, parse_series_rule
from alarms.errors import DefinitionError
from alarms.evaluator.selection import Found, Subject, find
from alarms.models import Alarm, AlarmHistory, Notification
from alarms.muting.marks import marks
from alarms.standing import standings
from alarms.ui import told
from alarms.ui.access import visible
from alarms.ui.forms import NO_DATA
from alarms.ui.glance import STATE_ORDER, worst_first
from alarms.ui.muted import quiet
from alarms.ui.plotting import alarm_data, ranges, usual_range
from alarms.ui.views.notifications import with_answers
from meters.models import Metric
from meters.ui import query
from meters.ui.access import PageRequest, page
from meters.ui.plotquery import RANGES
from meters.ui.rendering import listing, show
from meters.ui.series import with_latest
from telemetry_site.clock import now

NOTIFICATIONS_SHOWN = 10
HISTORY_SHOWN = 20
REFRESH_S = 10
#: An alarm that goes to and fro says so: its changes of state in this time are counted.
TO_AND_FRO = timedelta(hours=24)
#: How long alarms may be silenced from the list, in hours.
HOURS = {"1": "1 h", "4": "4 h", "24": "1 day"}


@page
def alarms(request: PageRequest) -> HttpResponse:
    asked = {
        "state": query.choice(request, "state", State.values),
        "severity": query.choice(request, "severity", Severity.values),
        "enabled": query.choice(request, "enabled", ("yes", "no")),
        "q": query.text(request, "q"),
    }
    visible_rows = Alarm.objects.scope(request.principal)
    found = listing(request, worst_first(with_delivery(chosen(visible_rows, asked))))
    context = {
        "listing": found,
        "asked": asked,
        "filtered": any(asked.values()),
        "states": STATE_ORDER,
        "severities": Severity.values,
        "may_make": may_make(request),
        "marks": marks([one.pk for one in found.page]),
        "hours": HOURS,
    }
    return show(request, "alarms", context, section="alarms", title="Alarms")


def chosen(rows: QuerySet[Alarm], asked: dict[str, str]) -> QuerySet[Alarm]:
    if asked["state"]:
        rows = rows.filter(state=asked["state"])
    if asked["severity"]:
        rows = rows.filter(severity=asked["severity"])
    if asked["enabled"]:
        rows = rows.filter(enabled=asked["enabled"] == "yes")
    for word in asked["q"].split():
        rows = rows.filter(
            Q(name__icontains=word) | Q(description__icontains=word)
            | Q(rule__metric__icontains=word) | Q(rule__resource_id__icontains=word)
            | Q(project_id__icontains=word)
        )  # fmt: skip
    return rows


def with_delivery(rows: QuerySet[Alarm]) -> QuerySet[Alarm]:
    """Each with the status of the newest message that was asked for because of it."""
    sent = Notification.objects.filter(alarm_id=OuterRef("pk"), is_test=False)
    return rows.annotate(delivery=Subquery(sent.order_by("-created_at").values("status")[:1]))


def may_make(request: PageRequest) -> bool:
    """Whether there is a project that this principal may make alarms in."""
    principal = request.principal
    return principal.is_admin or any(map(principal.may_write, principal.projects))


@page
def alarm(request: PageRequest, uuid: UUID) -> HttpResponse:
    one = visible(request, uuid)
    rows = AlarmHistory.objects.scope(request.principal).filter(alarm_id=one.pk)
    sent = Notification.objects.scope(request.principal).filter(alarm_id=one.pk)
    past = listing(request, rows.order_by("-pk"), HISTORY_SHOWN)
    context = {
        "alarm": one,
        "may_change": may_edit(request.principal, one.project_id),
        "actions": told.actions(one),
        "states": State.values,
        "listing": past,
        "history": told.history(past.page),
        "notifications": with_answers(request, sent)[:NOTIFICATIONS_SHOWN],
        "is_admin": request.principal.is_admin,
        "quiet": quiet(request.principal, one),
        "changes_of_state": _changes(rows),
        "namesakes": _namesakes(request, one),
        "standing": standings([one]).get(one.pk),
        "no_data": NO_DATA.get((one.policy or {}).get("no_data", "")),
        **_plot(request, one),
    }
    return show(request, "alarm", context, section="alarms", title=one.name)


def _changes(rows: QuerySet[AlarmHistory]) -> int:
    """How often the state has changed lately; saying again what is so is no change."""
    lately = rows.filter(type=Change.STATE_TRANSITION, timestamp__gte=now() - TO_AND_FRO)
    return lately.exclude(from_state=F("to_state")).count()


def _namesakes(request: PageRequest, one: Alarm) -> int:
    """How many others of its project have its name: programs that look for it find several."""
    same = Alarm.objects.scope(request.principal).filter(project_id=one.project_id, name=one.name)
    return same.exclude(pk=one.pk).count()


def _plot(request: PageRequest, one: Alarm) -> dict[str, Any]:
    """What the page needs for the plot; nothing where the rule is unreadable."""
    try:
        rule = parse_series_rule(one.type, one.rule)
    except DefinitionError:
        return {}
    [found] = find([Subject(rule, one.seen_project)])
    chosen_range = _range(request, rule, found)
    metrics = Metric.objects.scope(request.principal).select_related("resource")
    seen = None
    if isinstance(rule, ResourceThreshold):
        seen = metrics.filter(pk__in=[series.pk for series in found.series]).first()
    return {
        "rule": rule,
        "series": len(found.series),
        "metric": seen,
        "newest": with_latest(request.principal, [seen], now(), sparks=False)[0].moment
        if seen
        else None,
        "ranges": ranges(rule, len(found.series)),
        "range": chosen_range,
        "data_url": f"{reverse('alarms:data', args=[one.pk])}?range={chosen_range}",
    }


def _range(request: PageRequest, rule: SeriesRule, found: Found) -> str:
    offered = ranges(rule, len(found.series))
    usual = usual_range(rule)
    return query.choice(request, "range", offered, usual if usual in offered else offered[-1])


@page
def data(request: PageRequest, uuid: UUID) -> HttpResponse:
    one = visible(request, uuid)
    try:
        rule = parse_series_rule(one.type, one.rule)
    except DefinitionError as error:
        raise BadRequest(str(error)) from error
    [found] = find([Subject(rule, one.seen_project)])
    moment = now()
    start = moment - RANGES[_range(request, rule, found)]
    return JsonResponse(alarm_data(one, rule, found, start, moment) | {"refresh": REFRESH_S})
