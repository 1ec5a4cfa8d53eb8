"""Arguments of ceilometer's and panko's lists: of the query, or of a JSON body with a GET.

``q.field=a&q.value=1&q.field=b&q.value=2``, ``q[0].field=a&q[0].value=1…`` and
``{"q": [{"field": "a", "value": "1"}, …]}`` say the same. A column of `q` that is shorter than the
others is filled from the front, as WSME does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from meters.wsme.errors import bad, invalid, unknown_argument
from meters.wsme.values import MISSING

#: Objects that come in parallel columns.
COLUMNS = {"q": ("field", "op", "value", "type"), "aggregate": ("func", "param")}
_LISTS = ("groupby", "sort")
_INDEXED = re.compile(r"(q|aggregate)\[(\d{1,4})\]\.(\w+)", re.ASCII)
_REPEATABLE = {*_LISTS, *(f"{name}.{part}" for name, parts in COLUMNS.items() for part in parts)}
MOST_TERMS = 100
REPEATED = "It is given more than once."


def normal(query: QueryDict, body: Any = None) -> QueryDict:
    """Plain columns of equal length. Raises `Fault`."""
    found = QueryDict(mutable=True)
    for name, texts in query.lists():
        if "\0" in name or any("\0" in text for text in texts):
            raise bad("The query holds a NUL character")
        found.setlist(name, texts)
    if body is not None:
        _add_body(found, body)
    for name in COLUMNS:
        _unindex(found, name)
        _fill(found, name)
    _refuse_repeated(found)
    return found


def _add_body(found: QueryDict, body: Any) -> None:
    if not isinstance(body, Mapping):
        raise bad("Request body must be a JSON object")
    for name, value in body.items():
        if name in COLUMNS:
            for one in value if isinstance(value, list) else [value]:
                _add_object(found, name, one)
        elif name in _LISTS and isinstance(value, list):
            for one in value:
                found.appendlist(name, _text(name, one))
        else:
            found.appendlist(name, _text(name, value))


def _add_object(found: QueryDict, name: str, one: Any) -> None:
    if not isinstance(one, Mapping):
        raise invalid(name, one, "Value not a valid object")
    unknown = next((key for key in one if key not in COLUMNS[name]), None)
    if unknown is not None:
        raise bad(f"Unknown attribute for argument {name}: {unknown}")
    for part in COLUMNS[name]:
        value = one.get(part)
        found.appendlist(f"{name}.{part}", "" if value is None else _text(part, value))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str | int | float | bool):
        raise invalid(name, value, "It must be a text or a number.")
    text = str(value)
    if "\0" in text:
        raise bad(f"{name} holds a NUL character")
    return text


def _unindex(found: QueryDict, name: str) -> None:
    """``q[0].field`` into columns; mixed with plain ones nobody knows what belongs together."""
    rows: dict[int, dict[str, str]] = {}
    for key in [key for key in found if key.startswith(f"{name}[")]:
        match = _INDEXED.fullmatch(key)
        if match is None or match[3] not in COLUMNS[name]:
            raise unknown_argument(key)
        if len(found.getlist(key)) > 1:
            raise invalid(key, ", ".join(found.getlist(key)), REPEATED)
        rows.setdefault(int(match[2]), {})[match[3]] = str(found[key])
        del found[key]
    if not rows:
        return
    if any(f"{name}.{part}" in found for part in COLUMNS[name]):
        raise bad(f"{name}: the forms {name}.… and {name}[0].… can't be mixed")
    for _, row in sorted(rows.items()):
        for part in COLUMNS[name]:
            found.appendlist(f"{name}.{part}", row.get(part) or "")


def _fill(found: QueryDict, name: str) -> None:
    first, *others = (f"{name}.{part}" for part in COLUMNS[name])
    length = len(found.getlist(first))
    if length > MOST_TERMS:
        raise bad(f"{name} has more than {MOST_TERMS} entries")
    for column in others:
        texts = found.getlist(column)
        if len(texts) > length:
            raise invalid(COLUMNS[name][0], None, MISSING)
        if length:
            found.setlist(column, texts + [""] * (length - len(texts)))


def _refuse_repeated(found: QueryDict) -> None:
    for name, texts in found.lists():
        if len(texts) > 1 and name not in _REPEATABLE:
            raise invalid(name, ", ".join(texts), REPEATED)
