"""`sort`, `limit` and `marker` of events. The order is total: pages neither repeat nor lose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import Q, QuerySet

from meters.metric_api.paging import Sort, after
from meters.models import Event
from meters.wsme.classic import unknown_marker
from meters.wsme.errors import invalid

KEYS = ("message_id", "generated")
DIRECTIONS = ("asc", "desc")
USUAL = (Sort("generated", "asc", "generated"), Sort("message_id", "asc", "message_id"))
#: Where the pieces of time end, counted from the first one's begin.
_ENDS = [timedelta(hours=hours) for hours in (1, 1 + 8, 1 + 8 + 64, 1 + 8 + 64 + 512)]
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Span(NamedTuple):
    """The time that is asked for, where it is bounded."""

    start: datetime | None = None
    stop: datetime | None = None


def order_of(asked: Sequence[str]) -> list[Sort]:
    """Raises `Fault`."""
    sorts = {sort.key: sort for sort in map(_sort, asked)} or {sort.key: sort for sort in USUAL}
    sorts.setdefault("message_id", USUAL[1])  # unique, so what follows it says nothing
    return list(sorts.values())


def page(
    rows: QuerySet[Event],
    order: Sequence[Sort],
    marker: str | None,
    limit: int,
    span: Span | None = None,
) -> list[Event]:
    """At most `limit` rows behind the marker, which must be one of them. Raises `Fault`.

    With their `span` of time they are looked for in pieces of it.
    """
    in_time = order[0].field == "generated"
    if marker is not None:
        values = rows.filter(message_id=marker).values_list(*(one.field for one in order)).first()
        if values is None:
            raise unknown_marker(marker)
        rows = rows.filter(after(order, values))
        if span and in_time:  # the page begins at the marker
            end = "start" if order[0].direction == "asc" else "stop"
            span = span._replace(**{end: values[0]})
    rows = rows.order_by(*(one.order for one in order))
    found: list[Event] = []
    for piece in _pieces(order[0], span) if span and in_time else [Q()]:
        found += rows.filter(piece)[: limit - len(found)]
        if len(found) >= limit:
            break
    return found


def _pieces(sort: Sort, span: Span) -> Iterator[Q]:
    """The time from its first end on, each piece longer than the one before it, to its last end.

    How rare a trait's value is PostgreSQL knows badly: through all events it goes for a rare one,
    and sorts all that have a frequent one. In a piece neither takes long.
    """
    forward = sort.direction == "asc"
    there = Event.objects.order_by(sort.order).values_list("generated", flat=True).first()
    asked, last = span if forward else reversed(span)
    if there is None or not _EARLIEST + _ENDS[-1] < (asked or there) < _LATEST - _ENDS[-1]:
        yield Q()
        return
    first = (max if forward else min)(there, asked or there)
    done = Q()
    for length in _ENDS:
        edge = first + length if forward else first - length
        yield done & (Q(generated__lt=edge) if forward else Q(generated__gt=edge))
        if last is not None and (edge > last if forward else edge < last):
            return
        done = Q(generated__gte=edge) if forward else Q(generated__lte=edge)
    yield done


def _sort(text: str) -> Sort:
    key, _, direction = text.partition(":")
    direction = direction or "asc"
    if key not in KEYS:
        raise invalid(
            "sort", text,
            "the sort parameter should be a pair of sort key and sort dir combined with ':', or "
            "only sort key specified and sort dir will be default 'asc', the supported sort keys "
            f"are: {KEYS}",
        )  # fmt: skip
    if direction not in DIRECTIONS:
        words = f"the sort direction is not one of the supported sort directions are: {DIRECTIONS}"
        raise invalid("sort", text, words)
    return Sort(key, direction, key)
