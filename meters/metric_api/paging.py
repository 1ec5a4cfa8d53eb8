"""Pages of lists: `limit`, `marker` and `sort`, and the `Link` to the next page.

A marker is the id of the last row seen. The page begins after that row *in the order asked for*,
so rows that come or go meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import voluptuous
from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, QueryDict

from meters.metric_api import addresses
from meters.metric_api.errors import ApiError, bad_request, refusal

#: direction → (descending, nulls first). Without a word about nulls it is as PostgreSQL has it.
DIRECTIONS = {
    "asc": (False, False),
    "desc": (True, True),
    "asc-nullsfirst": (False, True),
    "asc-nullslast": (False, False),
    "desc-nullsfirst": (True, True),
    "desc-nullslast": (True, False),
}
_LIMIT = voluptuous.Schema(
    {"limit": voluptuous.All(voluptuous.Coerce(int), voluptuous.Range(min=1))}
)
_NOTHING = Q(pk__in=[])


@dataclass(frozen=True)
class Sort:
    """One key of the order: `field` is the queryset's field or annotation."""

    key: str
    direction: str
    field: str

    @property
    def order(self) -> OrderBy:
        descending, nulls_first = DIRECTIONS[self.direction]
        return OrderBy(
            F(self.field),
            descending=descending,
            nulls_first=nulls_first or None,
            nulls_last=None if nulls_first else True,
        )

    def same(self, value: Any) -> Q:
        return Q((f"{self.field}__isnull", True)) if value is None else Q((self.field, value))

    def after(self, value: Any) -> Q:
        """What comes strictly after the value by this key alone."""
        descending, nulls_first = DIRECTIONS[self.direction]
        if value is None:
            return Q((f"{self.field}__isnull", False)) if nulls_first else _NOTHING
        later = Q((f"{self.field}__{'lt' if descending else 'gt'}", value))
        return later if nulls_first else later | Q((f"{self.field}__isnull", True))


@dataclass(frozen=True)
class Paging:
    """What one request asked for. `sorts` were asked for, `ties` make the order total."""

    limit: int
    marker: str | None
    sorts: tuple[Sort, ...]
    ties: tuple[Sort, ...]

    @classmethod
    def read(
        cls,
        query: QueryDict,
        fields: Mapping[str, str],
        default: Sequence[str],
        ties: Sequence[str] = ("id",),
    ) -> Paging:
        """`fields` maps each key that may be sorted by to its field. Raises `ApiError`."""
        sorts = [_sort(text, fields) for text in query.getlist("sort") or default]
        return cls(
            _limit(query.get("limit")),
            query.get("marker"),
            tuple({sort.key: sort for sort in reversed(sorts)}.values())[::-1],
            tuple(Sort(key, "asc", fields[key]) for key in ties),
        )

    @property
    def order(self) -> list[Sort]:
        asked = {sort.key for sort in self.sorts}
        return [*self.sorts, *(tie for tie in self.ties if tie.key not in asked)]

    def page(self, rows: QuerySet[Any], marked: Callable[[str], QuerySet[Any] | None]) -> list[Any]:
        """The rows of this page. `marked` finds the marker's row; None: it can be no marker."""
        if self.marker is not None:
            rows = rows.filter(after(self.order, self._values(marked(self.marker))))
        return list(rows.order_by(*(sort.order for sort in self.order))[: self.limit])

    def link(self, request: HttpRequest, marker: str) -> str:
        """The `Link` header to the page after the row with this marker."""
        own = {"limit", "marker", "sort"}
        pairs = [(name, text) for name, text in _pairs(request.GET) if name not in own]
        pairs += [("limit", str(self.limit)), ("marker", marker)]
        pairs += [("sort", f"{sort.key}:{sort.direction}") for sort in self.sorts]
        query = urlencode(sorted(pairs, key=lambda pair: pair[0]))
        return f'<{addresses.request_url(request)}?{query}>; rel="next"'

    def _values(self, marked: QuerySet[Any] | None) -> Sequence[Any]:
        fields = [sort.field for sort in self.order]
        found: Sequence[Any] | None = (
            None if marked is None else marked.values_list(*fields).first()
        )
        if found is None:
            raise _invalid(f"Invalid marker: `{self.marker}'")
        return found


def after(order: Sequence[Sort], values: Sequence[Any]) -> Q:
    """What comes after a row with these values: after(k1) or (same(k1) and (after(k2) or …))"""
    found = _NOTHING
    for sort, value in zip(reversed(order), reversed(values), strict=True):
        found = sort.after(value) | (sort.same(value) & found)
    return found


def _pairs(query: QueryDict) -> list[tuple[str, str]]:
    return [(name, text) for name, texts in query.lists() for text in texts]


def _limit(text: str | None) -> int:
    """Raises `ApiError`; more than the server's maximum is the maximum."""
    most: int = settings.TELEMETRY_METRIC_API_MAX_LIMIT
    if text is None:
        return most
    try:
        asked: int = _LIMIT({"limit": text})["limit"]
    except voluptuous.Invalid as error:
        raise refusal("Argument value error", reason=str(error)) from error
    return min(asked, most)


def _sort(text: str, fields: Mapping[str, str]) -> Sort:
    key, _, direction = text.partition(":")
    if key not in fields:
        raise _invalid(f"Sort key supplied is invalid: {key}")
    direction = direction or "asc"
    if direction not in DIRECTIONS:
        known = ", ".join(sorted(name for name in DIRECTIONS if "-" in name))
        raise _invalid(f"Unknown sort direction, must be one of: {known}")
    return Sort(key, direction, fields[key])


def _invalid(reason: str) -> ApiError:
    return bad_request(f"Invalid pagination: `{reason}'")
