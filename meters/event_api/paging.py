"""`sort`, `limit` and `marker` of events. The order is total: pages neither repeat nor lose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from meters.metric_api.paging import Sort, after
from meters.wsme.classic import unknown_marker
from meters.wsme.errors import invalid

KEYS = ("message_id", "generated")
DIRECTIONS = ("asc", "desc")
USUAL = (Sort("generated", "asc", "generated"), Sort("message_id", "asc", "message_id"))


def order_of(asked: Sequence[str]) -> list[Sort]:
    """Raises `Fault`."""
    sorts = {sort.key: sort for sort in map(_sort, asked)} or {sort.key: sort for sort in USUAL}
    sorts.setdefault("message_id", USUAL[1])  # unique, so what follows it says nothing
    return list(sorts.values())


def page(rows: QuerySet[Any], order: Sequence[Sort], marker: str | None, limit: int) -> list[Any]:
    """At most `limit` rows behind the marker, which must be one of them. Raises `Fault`."""
    if marker is not None:
        values = rows.filter(message_id=marker).values_list(*(one.field for one in order)).first()
        if values is None:
            raise unknown_marker(marker)
        rows = rows.filter(after(order, values))
    return list(rows.order_by(*(one.order for one in order))[:limit])


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
