"""Pages by key, not by offset: `limit` and an opaque `cursor`, with `next` and `previous` links.

A cursor holds the ordering and the last row's values in it. It is looked up *within* what the
principal may see, so a made-up one tells nothing (S50), and a page stays where it was however
many rows come in before it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from meters.api.errors import BadParameterError
from meters.api.params import Param, choice, integer
from meters.api.schema import page_schema

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
LIMIT = Param("limit", integer(1, MAX_LIMIT), "Rows a page, 1…1000, 100 unless told.", int)
CURSOR = Param("cursor", str, "Where the page begins: from a `next` or `previous` link.")

Direction = Literal["next", "previous"]


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """`ordering` it belongs to, the `direction` to go, and the values of the row to go on from."""

    ordering: str
    direction: Direction
    values: list[str | int]

    def encode(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


def decode_cursor(text: str, orderings: Sequence[str]) -> Cursor:
    """Raises `BadParameterError` for anything that is no cursor of this list."""
    try:
        padded = text + "=" * (-len(text) % 4)
        raw = base64.b64decode(padded.encode(), altchars=b"-_", validate=True)
        cursor = msgspec.json.decode(raw, type=Cursor)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise _bad_cursor() from error
    if cursor.ordering not in orderings or any("\x00" in str(one) for one in cursor.values):
        raise _bad_cursor()
    return cursor


def _bad_cursor() -> BadParameterError:
    return BadParameterError("cursor", "This is not a cursor of this list.")


class KeysetPagination(BasePagination):
    """Asks the view for `orderings`: name → the fields to order by, the last one unique.

    A name with `-` in front is the same backwards. The first one is the default.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        self.orderings: dict[str, tuple[str, ...]] = view.orderings
        self.limit = LIMIT.read(request.query_params) or DEFAULT_LIMIT
        self.ordering = ordering_param(self.orderings).read(request.query_params)
        self.ordering = self.ordering or next(iter(self.orderings))
        cursor = self._read_cursor()
        self.back = cursor is not None and cursor.direction == "previous"
        rows = self._fetch(queryset, cursor)
        self.more = len(rows) > self.limit
        self.rows = rows[: self.limit]
        if self.back:
            self.rows.reverse()
        self.came_by_cursor = cursor is not None
        return self.rows

    def get_paginated_response(self, data: Any) -> Response:
        following = self._link("next", self.rows[-1:] if self.more or self.back else [])
        earlier = self.more if self.back else self.came_by_cursor
        preceding = self._link("previous", self.rows[:1] if earlier else [])
        return page_response(data, following, preceding)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return page_schema(schema)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return []

    def _read_cursor(self) -> Cursor | None:
        text = CURSOR.read(self.request.query_params)
        if text is None:
            return None
        cursor = decode_cursor(text, list(self.orderings))
        if cursor.ordering != self.ordering and "ordering" in self.request.query_params:
            raise BadParameterError("cursor", "The cursor belongs to another ordering.")
        self.ordering = cursor.ordering
        return cursor

    def _fetch(self, queryset: QuerySet[Any], cursor: Cursor | None) -> list[Any]:
        keys = self._keys()
        if cursor is not None:
            queryset = queryset.filter(self._after(queryset, keys, cursor))
        order = [f"-{name}" if down else name for name, down in keys]
        return list(queryset.order_by(*order)[: self.limit + 1])

    def _keys(self) -> list[tuple[str, bool]]:
        """(field, descending) in the direction we go."""
        assert self.ordering is not None
        return [
            (name.removeprefix("-"), name.startswith("-") != self.back)
            for name in self.orderings[self.ordering]
        ]

    def _after(self, queryset: QuerySet[Any], keys: list[tuple[str, bool]], cursor: Cursor) -> Q:
        """Rows behind the cursor's: ``a > x or (a = x and b > y)``, with ``a >= x`` for the index.

        The field names are the view's own, the values are bound (S16).
        """
        if len(cursor.values) != len(keys):
            raise _bad_cursor()
        values = [
            _value(queryset.model, name, one)
            for (name, _), one in zip(keys, cursor.values, strict=True)
        ]
        behind, same = Q(), Q()
        for (name, down), value in zip(keys, values, strict=True):
            behind |= same & Q((f"{name}__{'lt' if down else 'gt'}", value))
            same &= Q((name, value))
        first, down = keys[0]
        return Q((f"{first}__{'lte' if down else 'gte'}", values[0])) & behind

    def _link(self, direction: Direction, row: list[Any]) -> str | None:
        if not row:
            return None
        assert self.ordering is not None
        names = [name.removeprefix("-") for name in self.orderings[self.ordering]]
        values = [_plain(_attribute(row[0], name)) for name in names]
        return link_to(self.request, Cursor(self.ordering, direction, values).encode())


def ordering_param(orderings: dict[str, tuple[str, ...]]) -> Param[str]:
    names = list(orderings)
    return Param("ordering", choice(names), f"Order; {names[0]} unless told.", choices=names)


def link_to(request: Request, cursor: str) -> str:
    return str(replace_query_param(request.build_absolute_uri(), "cursor", cursor))


def page_response(data: Any, following: str | None, preceding: str | None) -> Response:
    links = [("next", following), ("previous", preceding)]
    header = ", ".join(f'<{url}>; rel="{name}"' for name, url in links if url)
    body = {"results": data, "next": following, "previous": preceding}
    return Response(body, headers={"Link": header} if header else None)


def _attribute(row: Any, name: str) -> Any:
    """`resource__original_id` of a model's row, or of a dict (of `.values()`)."""
    if isinstance(row, dict):
        return row[name]
    for part in name.split("__"):
        row = getattr(row, part)
    return row


def _plain(value: Any) -> str | int:
    return value if isinstance(value, int) else str(value)


def _value(model: Any, name: str, value: str | int) -> Any:
    """A cursor's value in its field's type."""
    first, *rest = name.split("__")
    field = model._meta.get_field(first)
    for part in rest:
        field = field.related_model._meta.get_field(part)
    try:
        found = field.to_python(value)
    except (ValidationError, ValueError, TypeError, OverflowError) as error:
        raise _bad_cursor() from error
    if isinstance(found, datetime) and found.tzinfo is None:
        raise _bad_cursor()
    return found
