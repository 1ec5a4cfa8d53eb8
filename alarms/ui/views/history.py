"""What happened to all alarms, and who did it: the audit."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth import get_user_model
from django.http import HttpResponse

from alarms.choices import Change
from alarms.models import Alarm, AlarmHistory
from alarms.ui import told
from alarms.ui.views.alarms import may_make
from meters.ui import query
from meters.ui.access import PageRequest, page
from meters.ui.rendering import listing, show


@page
def history(request: PageRequest) -> HttpResponse:
    """Newest first, deleted alarms too."""
    rows = AlarmHistory.objects.scope(request.principal)
    kind = query.choice(request, "type", Change.values)
    by = query.text(request, "by")
    [alarm_id] = query.uuids(request, "alarm", 1) or [None]
    if kind:
        rows = rows.filter(type=kind)
    if by:
        rows = rows.filter(user_id__in=_ids(by))
    if alarm_id:
        rows = rows.filter(alarm_id=alarm_id)
    found = listing(request, rows.order_by("-timestamp", "-pk"))
    entries = told.history(found.page)
    wanted = {entry.row.alarm_id for entry in entries} | ({alarm_id} if alarm_id else set())
    names = _names(request, wanted)
    context = {
        "listing": found,
        "entries": [(entry, *names.get(entry.row.alarm_id, ("", False))) for entry in entries],
        "types": Change.values,
        "type": kind,
        "by": by,
        "alarm_id": alarm_id,
        "alarm_name": names.get(alarm_id, ("", False))[0] if alarm_id else "",
        "filtered": bool(kind or by or alarm_id),
        "may_make": may_make(request),
    }
    return show(request, "history", context, section="history", title="History")


def _ids(by: str) -> list[str]:
    """What history may call somebody: the text itself, and an account of ours of that name."""
    if by == told.EVALUATOR:
        return [""]
    found = get_user_model().objects.filter(username=by).values_list("pk", flat=True)
    return [by, *map(str, found)]


def _names(request: PageRequest, ids: Iterable[UUID]) -> dict[UUID, tuple[str, bool]]:
    """{alarm: (name, whether it is still there)}; of a deleted one as it was made."""
    wanted = list(ids)
    made = AlarmHistory.objects.scope(request.principal).filter(
        alarm_id__in=wanted, type=Change.CREATION
    )
    names = {pk: (str(name), False) for pk, name in made.values_list("alarm_id", "detail__name")}
    there = Alarm.objects.scope(request.principal).filter(pk__in=wanted)
    return names | {pk: (name, True) for pk, name in there.values_list("pk", "name")}
