"""Statements that come again and again: Django makes their SQL once, the server their plan."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from django.db.models.query import get_related_populators

Row = TypeVar("Row")

#: A value of each kind that stands nowhere else in a statement.
_STAND_INS: dict[type, Callable[[], Any]] = {
    uuid.UUID: uuid.uuid4,
    int: lambda: secrets.randbits(62),
    str: lambda: secrets.token_hex(16),
    list: lambda: [secrets.token_hex(16)],
}


def keeping_plans() -> CursorWrapper:
    """Where the settings let it, one by which the server keeps plans: half of a statement's time.

    Django's own puts values into the statement's text, of which no plan is kept.
    """
    db = connections[DEFAULT_DB_ALIAS]  # looked up once: that takes longer than all the rest
    db.close_if_health_check_failed()
    db.ensure_connection()
    driver = db.connection
    if driver.prepare_threshold is None:
        return db.cursor()
    own: Any = psycopg.Cursor(driver)
    return db.make_debug_cursor(own) if db.queries_logged else db.make_cursor(own)


def byte_rows(
    cursor: CursorWrapper,
    statement: str,
    parameters: Sequence[object] = (),
    keeps_plan: bool = False,
) -> list[list[Any]]:
    """Rows of byte strings, which the server sends as they are, and of numbers; null is empty.

    By the driver's own cursor on the same connection: Django's has byte strings made into text.
    `keeps_plan`: the statement is a short one whose plan does not hang on its values.
    """
    prepare = None if keeps_plan else False
    with cursor.db.wrap_database_errors, psycopg.Cursor(cursor.db.connection) as own:
        own.execute(statement, parameters or None, prepare=prepare, binary=True)
        return [[b"" if one is None else one for one in row] for row in own.fetchall()]


class _Compiled(NamedTuple):
    statement: str
    #: Its parameters; where `holes` has a number, the value of that number comes instead.
    parameters: list[Any]
    holes: list[int | None]
    row: Callable[[Sequence[Any]], Any]


class Prepared(Generic[Row]):
    """A queryset as a function of values: `build` makes it of one value of each of the `kinds`.

    To make the SQL of one metric with its resource and policy takes Django 0.7 ms, twice as long
    as all that comes after. Values go into the statement as they are: give UUIDs, not their texts,
    and use a value only once. Rows are model instances with what `select_related` names, or the
    tuples of `values_list`.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Row]], *kinds: type) -> None:
        self._build = build
        self._kinds = kinds
        self._compiled: _Compiled | None = None

    def rows(self, *values: Any) -> list[Row]:
        if self._compiled is None:
            self._compiled = self._compile()
        statement, parameters, holes, row = self._compiled
        given = [
            parameter if hole is None else values[hole]
            for parameter, hole in zip(parameters, holes, strict=True)
        ]
        with keeping_plans() as cursor:
            cursor.execute(statement, given)
            return [row(found) for found in cursor.fetchall()]

    def first(self, *values: Any) -> Row | None:
        return next(iter(self.rows(*values)), None)

    def _compile(self) -> _Compiled:
        stand_ins = [_STAND_INS[kind]() for kind in self._kinds]
        compiler = self._build(*stand_ins).query.get_compiler(connection=connection)
        statement, parameters = compiler.as_sql()
        holes = [stand_ins.index(one) if one in stand_ins else None for one in parameters]
        if sorted(hole for hole in holes if hole is not None) != list(range(len(stand_ins))):
            raise ValueError(f"Each value must be in the statement once: {statement}")
        return _Compiled(statement, list(parameters), holes, _reader(compiler))


def _reader(compiler: Any) -> Callable[[Sequence[Any]], Any]:
    """What a row of the compiled statement is made into."""
    converters = compiler.get_converters([one[0] for one in compiler.select])

    def converted(found: Sequence[Any]) -> Sequence[Any]:
        return next(compiler.apply_converters([found], converters)) if converters else found

    if compiler.query.values_select:
        return (lambda found: tuple(converted(found))) if converters else tuple
    model = compiler.klass_info["model"]
    places = compiler.klass_info["select_fields"]
    names = [compiler.select[place][0].target.attname for place in places]
    own = slice(places[0], places[-1] + 1)
    related = get_related_populators(  # type: ignore[call-arg] # the stubs are of Django 6
        compiler.klass_info, compiler.select, connection.alias
    )

    def instance(found: Sequence[Any]) -> Any:
        row = converted(found)
        made = model.from_db(connection.alias, names, row[own])
        for populator in related:
            populator.populate(row, made)
        return made

    return instance
