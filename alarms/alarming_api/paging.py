"""`sort`, `limit` and `marker` of lists. The order is total: pages neither repeat nor lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import F, Q, QuerySet
from django.http import QueryDict

from meters.api.params import is_uuid
from meters.metric_api.paging import Sort, after
from meters.wsme.errors import bad, cut, invalid

NAMES = ("sort", "limit", "marker")
DIRECTIONS = ("asc", "desc")
LARGEST = 2**31 - 1


class Listing(NamedTuple):
    """What a list may be sorted by: key → field. `usual` is the order when nothing is asked,
    `tie` makes every order total, `marker` is the key whose value is a marker."""

    fields: Mapping[str, str]
    usual: tuple[Sort, ...]
    tie: Sort
    marker: str


def page(rows: QuerySet[Any], query: QueryDict, listing: Listing) -> list[Any]:
    """The rows that are asked for. Raises `Fault`."""
    order = _order(query.getlist("sort"), listing)
    limit = _limit(query.get("limit"))
    marker = query.get("marker")
    if marker:
        rows = rows.filter(after(order, _values(rows, marker, order, listing)))
    return list(rows.order_by(*(sort.order for sort in order))[:limit])


def _order(asked: Sequence[str], listing: Listing) -> list[Sort]:
    read = [_sort(text, listing) for text in asked]
    sorts = {sort.key: sort for sort in read or listing.usual}
    return [*sorts.values(), *([] if listing.tie.key in sorts else [listing.tie])]


def _sort(text: str, listing: Listing) -> Sort:
    key, _, direction = text.partition(":")
    if key not in listing.fields:
        raise invalid(
            "sort", text,
            "the sort parameter should be a pair of sort key and sort dir combined with ':', or "
            "only sort key specified and sort dir will be default 'asc', the supported sort keys "
            f"are: {tuple(listing.fields)}",
        )  # fmt: skip
    direction = direction.lower() or "asc"
    if direction not in DIRECTIONS:
        raise invalid("sort", text, f"the sort dir should be one of: {', '.join(DIRECTIONS)}")
    return Sort(key, direction, listing.fields[key])


def _limit(text: str | None) -> int | None:
    """None: as many as there are."""
    if text is None:
        return None
    try:
        limit = int(text)
    except ValueError as error:
        raise invalid(
            "limit", text, f"unable to convert to int. Error: {cut(str(error))}"
        ) from error
    if limit < 0:
        raise invalid("limit", text, "it should be a positive integer.")
    return min(limit, LARGEST) or None


def _values(
    rows: QuerySet[Any], marker: str, order: Sequence[Sort], listing: Listing
) -> Sequence[Any]:
    """The marker's row must be one of those that are listed."""
    found = None
    if is_uuid(marker):
        marked = rows.filter(Q((listing.fields[listing.marker], marker)))
        found = marked.values_list(*(F(sort.field) for sort in order)).first()
    if found is None:
        raise bad(f"Marker {cut(marker)} not found.")
    values: Sequence[Any] = found
    return values
