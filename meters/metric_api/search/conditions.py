"""A search as a condition of the database.

In SQL a comparison with null is neither true nor false, and ``not`` of it isn't either. So a
search is compiled into two conditions at once, when it holds and when it fails, and ``not`` swaps
them: every comparison then stands as it is, where an index can serve it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import Q

from meters.metric_api.errors import bad_request
from meters.metric_api.search.operands import (
    RESOURCE_COLUMNS,
    REVISION_COLUMNS,
    Operand,
    attributes_of,
)
from meters.metric_api.search.schema import checked
from meters.models import ResourceType
from meters.search import ALIASES, ORDER
from telemetry_site.auth.caller import Caller

NONE = Q(pk__in=[])
ALL = ~NONE


class Verdict(NamedTuple):
    """Neither is ever null; where both are false, the search compares with what is not there."""

    holds: Q
    fails: Q


def condition(search: Any, kind: ResourceType, caller: Caller) -> Q:
    """On `Resource`. Raises `ApiError`."""
    return _Compiler(kind, RESOURCE_COLUMNS).verdict(checked(search, caller.creator)).holds


def condition_of_revisions(search: Any, kind: ResourceType, caller: Caller) -> Q:
    """On `ResourceRevision`. Raises `ApiError`."""
    return _Compiler(kind, REVISION_COLUMNS).verdict(checked(search, caller.creator)).holds


class _Compiler:
    def __init__(self, kind: ResourceType, columns: Mapping[str, Operand]) -> None:
        self.kind = kind
        self.operands = {**attributes_of(kind), **columns}

    def verdict(self, search: Mapping[str, Any]) -> Verdict:
        if not search:
            return Verdict(ALL, NONE)
        [(name, operand)] = search.items()
        operator = ALIASES.get(name, name)
        if operator == "not":
            return _opposite(self.verdict(operand))
        if operator == "and":
            return _all([self.verdict(one) for one in operand])
        if operator == "or":
            return _any([self.verdict(one) for one in operand])
        [(attribute, value)] = operand.items()
        return self._comparison(operator, attribute, value)

    def _comparison(self, operator: str, name: str, value: Any) -> Verdict:
        operand = self.operands.get(name)
        if operand is None:
            raise bad_request(f"Resource type {self.kind.name} has no {name} attribute")
        try:
            return _compare(operand, operator, value)
        except ValueError as error:
            raise bad_request(f"Invalid value: `{value}' for field `{name}'") from error


def _opposite(verdict: Verdict) -> Verdict:
    return Verdict(verdict.fails, verdict.holds)


def _all(verdicts: Sequence[Verdict]) -> Verdict:
    fails = Q(*(one.fails for one in verdicts), _connector=Q.OR)
    return Verdict(Q(*(one.holds for one in verdicts)), fails)


def _any(verdicts: Sequence[Verdict]) -> Verdict:
    return _opposite(_all([_opposite(one) for one in verdicts]))


def _compare(operand: Operand, operator: str, value: Any) -> Verdict:
    """Raises `ValueError`."""
    if operator == "in":
        return _equals(operand, value)
    if operator == "=":
        return _equals(operand, [value])
    if operator == "!=":
        equal = _equals(operand, [value])
        differs = _opposite(equal)
        # Other than a value is what is not there, too.
        return differs if value is None else Verdict(differs.holds | ~operand.present, equal.holds)
    if value is None:
        return Verdict(NONE, NONE)
    if operator == "like":
        return _told(operand, operand.matches(value))
    return _told(operand, operand.compares(ORDER[operator], operand.read(value)))


def _equals(operand: Operand, values: Sequence[Any]) -> Verdict:
    """One of the values; null is what is not there."""
    verdicts = []
    if None in values:
        verdicts.append(Verdict(~operand.present, operand.present))
    if read := [operand.read(value) for value in values if value is not None]:
        verdicts.append(_told(operand, operand.equals_one_of(read)))
    return _any(verdicts)


def _told(operand: Operand, test: Q) -> Verdict:
    """By a test that may be null where the operand is not present."""
    return Verdict(test & operand.present, ~test & operand.present)
