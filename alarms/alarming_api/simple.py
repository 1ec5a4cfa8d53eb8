"""The simple query: ``q.field=state&q.op=eq&q.value=ok``, triples that must all hold."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q
from django.http import QueryDict

from alarms.alarming_api.errors import bad, cut, invalid, unknown_argument
from alarms.definition.conditions import converted
from meters.api.params import moment

NAMES = ("q.field", "q.op", "q.value", "q.type")
TYPES = ("integer", "float", "string", "boolean", "datetime")
#: Beyond a century an offset is no offset.
MAX_OFFSET_MINUTES = 60 * 24 * 36_525


class Term(NamedTuple):
    """`type` is "" where it was not said."""

    field: str
    op: str
    value: str
    type: str

    def __str__(self) -> str:
        """As aodh's own sentences have it."""
        return f"<Query {self.field!r} {self.op} {self.value!r} {self.type or 'Unset'}>"


def read_terms(query: QueryDict) -> list[Term]:
    """Raises `Fault`."""
    columns = {name: query.getlist(name) for name in NAMES}
    fields = columns["q.field"]
    for name, filler in (("q.op", "eq"), ("q.type", "")):
        if not columns[name]:
            columns[name] = [filler] * len(fields)
    for name, values in columns.items():
        if len(values) != len(fields):
            raise bad(f"{name} is given {len(values)} times, q.field {len(fields)} times")
        if any("\0" in value for value in values):
            raise bad(f"{name} holds a NUL character")
    terms = [Term(*row) for row in zip(*columns.values(), strict=True)]
    return [term._replace(op=term.op or "eq") for term in terms]


def is_true(term: Term) -> bool:
    return bool(_converted(term, "boolean"))


def text_of(term: Term) -> str:
    """The value, which must be of the type that was said."""
    if term.type:
        _converted(term, term.type)
    return term.value


def moment_of(term: Term) -> datetime:
    """Raises `Fault`."""
    try:
        return moment(term.value)
    except ValueError as error:
        raise invalid(term.field, term.value, "invalid timestamp format") from error


def check_type(term: Term) -> None:
    if term.type and term.type not in TYPES:
        raise bad(
            f"The data type {cut(term.type)} is not supported. "
            f"The supported data type list is: {list(TYPES)}"
        )


def _converted(term: Term, kind: str) -> object:
    check_type(term)
    try:
        return moment(term.value) if kind == "datetime" else converted(term.value, kind)
    except ValueError as error:
        raise bad(
            f"Unable to convert the value {cut(term.value)} to the expected data type {kind}."
        ) from error


# --- history ----------------------------------------------------------------------------------

HISTORY_FIELDS = {
    "type": "type", "severity": "severity", "user_id": "user_id", "user": "user_id",
    "project_id": "actor_project", "project": "actor_project",
}  # fmt: skip
HISTORY_KEYS = ["project", "search_offset", "severity", "timestamp", "type", "user"]
_BOUNDS = {"lt": "lt", "le": "lte", "gt": "gt", "ge": "gte"}


def history_condition(terms: list[Term]) -> Q:
    """On rows with `actor_project`. Raises `Fault`."""
    offset = _offset(terms)
    found = Q()
    for term in terms:
        check_type(term)
        if term.field == "timestamp":
            found &= _in_time(term, offset)
        elif term.field != "search_offset":
            found &= _equal(term, terms)
    return found


def _equal(term: Term, terms: list[Term]) -> Q:
    if term.field not in HISTORY_FIELDS:
        shown = cut(f"[{', '.join(map(str, terms))}]")
        more = f": unrecognized field in query: {shown}, valid keys: {HISTORY_KEYS}"
        raise unknown_argument(term.field, more)
    if term.op != "eq":
        raise invalid("op", term.op, f"unimplemented operator for {term.field}")
    return Q((HISTORY_FIELDS[term.field], text_of(term)))


def _in_time(term: Term, offset: timedelta) -> Q:
    if term.op not in _BOUNDS:
        raise invalid("op", term.op, f"unimplemented operator for {term.field}")
    at = moment_of(term)
    try:
        at += offset if term.op in ("lt", "le") else -offset
    except OverflowError as error:
        raise invalid("timestamp", term.value, "invalid timestamp format") from error
    return Q((f"timestamp__{_BOUNDS[term.op]}", at))


def _offset(terms: list[Term]) -> timedelta:
    """By how much the range is widened at both ends."""
    found = timedelta()
    for term in terms:
        if term.field == "search_offset":
            if term.op != "eq":
                raise invalid("op", term.op, "unimplemented operator for search_offset")
            if not any(one.field == "timestamp" for one in terms):
                words = "search_offset cannot be used without timestamp"
                raise invalid("field", "search_offset", words)
            minutes = _converted(term, "integer")
            assert isinstance(minutes, int)
            if abs(minutes) > MAX_OFFSET_MINUTES:
                raise invalid("search_offset", term.value, "it is too large")
            found = timedelta(minutes=minutes)
    return found
