"""The events of the past that an event alarm would have gone to alarm for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alarms.definition import EventRule
from alarms.events import matches
from meters.models import Event
from meters.store.events import as_sent

WEEK = timedelta(days=7)
LOOKED_AT = 5_000
SHOWN = 5
_COLUMNS = ("pk", "message_id", "event_type", "generated", "traits", "trait_types", "raw")


@dataclass(frozen=True)
class Matching:
    """`count` of the `looked_at` newest events of the last week; `is_cut`: there are older ones.
    `newest`: (key, type, time) of some of them, the newest first."""

    count: int
    looked_at: int
    is_cut: bool
    newest: list[tuple[int, str, datetime]]


def matching(rule: EventRule, project_id: str | None, now: datetime) -> Matching:
    """Through the eyes of a project; None: of the installation, which sees all."""
    rows = Event.objects.filter(generated__gt=now - WEEK, generated__lte=now)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    newest = list(rows.order_by("-generated", "-pk").values_list(*_COLUMNS)[: LOOKED_AT + 1])
    looked_at = newest[:LOOKED_AT]
    found = [(pk, row[1], row[2]) for pk, *row in looked_at if matches(rule, as_sent(*row))]
    is_cut = len(newest) > LOOKED_AT
    return Matching(len(found), len(looked_at), is_cut, found[:SHOWN])
