"""`sort`, `limit` and `marker` of lists. The order is total: pages neither repeat nor lose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    `ties` make every order total. `marked` finds a marker's row among others; None: it can be no
    marker. At most `most` rows are a page; None: any number."""

    fields: Mapping[str, str]
    usual: tuple[Sort, ...]
    ties: tuple[Sort, ...]
    marked: Callable[[QuerySet[Any], str], QuerySet[Any] | None]
    most: int | None = None


#: Rows of one answer where there is no end to a list otherwise.
MOST = 1000


def by_id(field: str) -> Callable[[QuerySet[Any], str], QuerySet[Any] | None]:
    """Of rows whose marker is a UUID."""
    return lambda rows, marker: rows.filter(Q((field, marker))) if is_uuid(marker) else None


def page(
    rows: QuerySet[Any], query: QueryDict, listing: Listing, among: QuerySet[Any] | None = None
) -> list[Any]:
    """The rows that are asked for. The marker must be one of those `among` which it is looked for:
    `rows` unless told. Raises `Fault`."""
    order = _order(query.getlist("sort"), listing)
    limit = _limit(query.get("limit"), listing.most)
    marker = query.get("marker")
    if marker:
        found = listing.marked(rows if among is None else among, marker)
        rows = rows.filter(after(order, _values(found, marker, order)))
    return list(rows.order_by(*(sort.order for sort in order))[:limit])


def _order(asked: Sequence[str], listing: Listing) -> list[Sort]:
    read = [_sort(text, listing) for text in asked]
    sorts = {sort.key: sort for sort in read or listing.usual}
    return [*sorts.values(), *(tie for tie in listing.ties if tie.key not in sorts)]


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


def _limit(text: str | None, most: int | None) -> int | None:
    """None: as many as there are."""
    if text is None:
        return most
    try:
        limit = int(text)
    except ValueError as error:
        raise invalid(
            "limit", text, f"unable to convert to int. Error: {cut(str(error))}"
        ) from error
    if limit < 0:
        raise invalid("limit", text, "it should be a positive integer.")
    asked = [one for one in (limit, most) if one]
    return min(*asked, LARGEST) if asked else None


def _values(marked: QuerySet[Any] | None, marker: str, order: Sequence[Sort]) -> Sequence[Any]:
    """The marker's place in the order."""
    found: Sequence[Any] | None = (
        None if marked is None else marked.values_list(*(F(sort.field) for sort in order)).first()
    )
    if found is None:
        raise bad(f"Marker {cut(marker)} not found.")
    return found
