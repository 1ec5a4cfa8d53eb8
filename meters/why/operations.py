"""The facts about collection: sources, quarantine, drops, queues. For administrators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BinaryField, Count, F, Func, IntegerField, Max, Q, Value

from meters.models import Event, PollReport, Quarantine, Source
from meters.ui.backlog import backlog
from meters.why.facts import Dropped, Operations, Refused, SourceFact
from meters.why.ties import Asked, tied, unknown_names
from telemetry_site.clock import now

#: Open rows of the quarantine whose bodies are searched, the newest.
ROWS_SEARCHED = 200
DROPS_WITHIN, DROPS_SHOWN = timedelta(days=7), 3
REPORTS_OF = timedelta(hours=1)
SPOOL_DROPPED = "telemetry.spool.dropped"


def look(asked: Asked) -> Operations:
    moment = now()
    rows = list(Source.objects.exclude(kind=Source.PUBLISHER))
    sources, others = tied(rows, asked, moment)
    waiting = backlog(moment)
    reports, expected = _reports(sources, moment)
    return Operations(
        sources=sources,
        others=others,
        refused=_refused(asked),
        dropped=_dropped({source.agent_id for source in sources if source.is_sure}, moment),
        waiting=waiting.waiting,
        broker_away=moment - waiting.away_since if waiting.away_since else None,
        reports=reports,
        expected=expected,
        unknown=unknown_names(rows, asked.meter),
    )


def _reports(sources: Sequence[SourceFact], moment: datetime) -> tuple[int, int]:
    """How many polls of the first source were reported in the last hour, of how many."""
    if not sources or not sources[0].interval_s or sources[0].silent:
        return 0, 0
    rows = PollReport.objects.filter(source=sources[0].pk)
    known = rows.filter(slot__gte=moment - REPORTS_OF).aggregate(count=Count("pk"))["count"]
    if not rows.filter(slot__lt=moment - REPORTS_OF).exists():
        return known, 0  # not here for an hour yet
    return known, int(REPORTS_OF.total_seconds() // sources[0].interval_s)


def _refused(asked: Asked) -> list[Refused]:
    """Open rows that name resource and meter, or hold them in what could not be stored."""
    open_rows = Quarantine.objects.filter(state=Quarantine.State.OPEN).exclude(
        form=Quarantine.Form.PUBLICATION  # stored all the same
    )
    newest = list(open_rows.order_by("-pk").values_list("pk", flat=True)[:ROWS_SEARCHED])
    rows = open_rows.filter(pk__in=newest).annotate(
        resource_at=_place_of(asked.name), meter_at=_place_of(asked.meter)
    )
    is_notification = Q(form=Quarantine.Form.NOTIFICATION)  # names no meter, being not converted
    fits = Q(source=asked.name, detail__startswith=f"{asked.meter}:")
    fits |= Q(resource_at__gt=0) & (Q(meter_at__gt=0) | is_notification)
    groups = (
        rows.filter(fits)
        .values("reason")
        .annotate(count=Count("pk"), newest=Max("created_at"), last=Max("pk"))
    )
    found = list(groups.order_by("-newest"))
    details = dict(
        Quarantine.objects.filter(pk__in=[group["last"] for group in found]).values_list(
            "pk", "detail"
        )
    )
    labels = dict(Quarantine.Reason.choices)
    return [
        Refused(
            str(labels.get(group["reason"], group["reason"])), group["count"], group["newest"],
            details[group["last"]], group["last"],
        )
        for group in found
    ]  # fmt: skip


def _place_of(text: str) -> Func:
    """Where the body has this text, 0 for nowhere: ids stand plain in msgpack and in JSON."""
    return Func(
        Value(text.encode(), BinaryField()), F("body"),
        function="position", arg_joiner=" IN ", output_field=IntegerField(),
    )  # fmt: skip


def _dropped(agents: set[str], moment: datetime) -> list[Dropped]:
    """What the agents in question lost; all of them where none is known."""
    rows = Event.objects.filter(event_type=SPOOL_DROPPED, generated__gte=moment - DROPS_WITHIN)
    if agents:
        rows = rows.filter(traits__agent_id__in=sorted(agents))
    return [_drop(row) for row in rows.order_by("-generated")[:DROPS_SHOWN]]


def _drop(row: Event) -> Dropped:
    traits = row.traits
    return Dropped(
        row.generated, str(traits.get("agent_id", "")), int(traits.get("items", 0)),
        str(traits.get("reason", "")), _time(traits.get("first")), _time(traits.get("last")),
    )  # fmt: skip


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
