"""The simple query: ``q.field=state&q.op=eq&q.value=ok``, triples that must all hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.http import QueryDict

from meters.api.params import moment
from meters.wsme.errors import bad, cut, invalid, unknown_argument
from meters.wsme.typed import TYPE_NAMES, converted

NAMES = ("q.field", "q.op", "q.value", "q.type")
#: Operators of a time's bound → Django's.
BOUNDS = {"lt": "lt", "le": "lte", "gt": "gt", "ge": "gte"}
#: Beyond a century an offset is no offset.
MAX_OFFSET_MINUTES = 60 * 24 * 36_525


class Term(NamedTuple):
    """`type` is "" where it was not said."""

    field: str
    op: str
    value: str
    type: str

    def __str__(self) -> str:
        """As the originals' own sentences have it."""
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
    return bool(value_of(term, "boolean"))


def text_of(term: Term) -> str:
    """The value, which must be of the type that was said."""
    if term.type:
        value_of(term, term.type)
    return term.value


def moment_of(term: Term) -> datetime:
    """Raises `Fault`."""
    try:
        return moment(term.value)
    except ValueError as error:
        raise invalid(term.field, term.value, "invalid timestamp format") from error


def check_type(term: Term, known: Sequence[str] = TYPE_NAMES) -> None:
    if term.type and term.type not in known:
        raise bad(
            f"The data type {cut(term.type)} is not supported. "
            f"The supported data type list is: {list(known)}"
        )


def value_of(term: Term, kind: str, known: Sequence[str] = TYPE_NAMES) -> object:
    """As the type reads it. Raises `Fault`."""
    check_type(term, known)
    try:
        return moment(term.value) if kind == "datetime" else converted(term.value, kind)
    except ValueError as error:
        raise bad(
            f"Unable to convert the value {cut(term.value)} to the expected data type {kind}."
        ) from error


def unrecognized(term: Term, terms: Sequence[Term], known: Sequence[str]) -> Exception:
    """What is said of a field that can't be asked for."""
    shown = cut(f"[{', '.join(map(str, terms))}]")
    more = f": unrecognized field in query: {shown}, valid keys: {list(known)}"
    return unknown_argument(term.field, more)


def require_operator(term: Term, known: Sequence[str] = ("eq",)) -> None:
    if term.op not in known:
        raise invalid("op", term.op, f"unimplemented operator for {term.field}")


def widened(term: Term, offset: timedelta) -> datetime:
    """A bound of time, moved outwards. Raises `Fault`."""
    require_operator(term, tuple(BOUNDS))
    at = moment_of(term)
    try:
        return at + (offset if term.op in ("lt", "le") else -offset)
    except OverflowError as error:
        raise invalid("timestamp", term.value, "invalid timestamp format") from error


def offset_of(terms: Sequence[Term]) -> timedelta:
    """`search_offset`: by how much the range is widened at both ends."""
    found = timedelta()
    for term in terms:
        if term.field == "search_offset":
            require_operator(term)
            if not any(one.field == "timestamp" for one in terms):
                words = "search_offset cannot be used without timestamp"
                raise invalid("field", "search_offset", words)
            minutes = value_of(term, "integer")
            assert isinstance(minutes, int)
            if abs(minutes) > MAX_OFFSET_MINUTES:
                raise invalid("search_offset", term.value, "it is too large")
            found = timedelta(minutes=minutes)
    return found
