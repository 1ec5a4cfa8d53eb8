"""The same thing done to several alarms of the list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from alarms import lifecycle
from alarms.api.base import may_edit
from alarms.errors import AlarmingError
from alarms.models import Alarm
from alarms.muting import acks, silences
from alarms.ui.views.alarms import HOURS
from meters.ui.access import PageRequest, is_relative, page
from telemetry_site.clock import now

ITEMS_A_TIME = 500
Deed = Callable[[PageRequest, Alarm], object]


@page
def decide(request: PageRequest) -> HttpResponse:
    """POST `item` (repeated), `do`, and for some a `comment` and `hours`; `back` is the list."""
    given = request.POST.getlist("item")
    ids = [one for one in map(silences.id_of, given) if one]
    if len(ids) != len(given) or len(ids) > ITEMS_A_TIME:
        raise BadRequest(f"item: give at most {ITEMS_A_TIME} ids of alarms")
    name = request.POST.get("do", "")
    if name not in DEEDS:
        raise BadRequest(f"do: {name!r} is not one of {', '.join(DEEDS)}")
    if not ids:
        messages.error(request, "No alarm was chosen.")
    else:
        rows = Alarm.objects.scope(request.principal).filter(pk__in=ids)
        _tell(request, name, list(rows.order_by("name", "pk")))
    back = request.POST.get("back", "")
    return redirect(back if is_relative(back) and back.startswith("/alarms") else "alarms:alarms")


decide = require_POST(decide)


def _tell(request: PageRequest, name: str, alarms: list[Alarm]) -> None:
    """Do it to each; one that can't be keeps nobody from the others."""
    word, deed = DEEDS[name]
    faults: list[str] = []
    done = 0
    for alarm in alarms:
        if not may_edit(request.principal, alarm.project_id):
            faults.append(f"{alarm.name}: you may only read it")
            continue
        try:
            deed(request, alarm)
        except (AlarmingError, Alarm.DoesNotExist) as error:
            faults.append(f"{alarm.name}: {error}")
        else:
            done += 1
    messages.info(request, f"{done} {word}.")
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        messages.error(request, f"Not {word}: {'; '.join(faults[:5])}{more}")


def _switch(enabled: bool) -> Deed:
    def deed(request: PageRequest, alarm: Alarm) -> None:
        lifecycle.change(alarm, {"enabled": enabled}, request.principal.user_id)

    return deed


def _delete(request: PageRequest, alarm: Alarm) -> None:
    lifecycle.delete(alarm, request.principal.user_id)


def _ack(request: PageRequest, alarm: Alarm) -> None:
    asked = acks.check({"comment": _comment(request)})
    acks.acknowledge(alarm, asked, request.principal.user_id, request.principal.name)


def _silence(request: PageRequest, alarm: Alarm) -> None:
    hours = request.POST.get("hours", "")
    start = now()
    fields = {
        "matchers": [{"name": "alarm_id", "value": str(alarm.pk)}],
        "startsAt": start.isoformat(),
        "endsAt": (start + timedelta(hours=int(hours) if hours in HOURS else 1)).isoformat(),
        "createdBy": request.principal.name,
        "comment": _comment(request),
    }
    silences.create(silences.check(fields), alarm.project_id, request.principal.user_id)


def _comment(request: PageRequest) -> str:
    return request.POST.get("comment", "").strip()


DEEDS: dict[str, tuple[str, Deed]] = {
    "enable": ("enabled", _switch(True)),
    "disable": ("disabled", _switch(False)),
    "delete": ("deleted", _delete),
    "ack": ("acknowledged", _ack),
    "silence": ("silenced", _silence),
}
