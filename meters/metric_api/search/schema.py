"""The form of a JSON search (metric-api.md 15.1)."""

from __future__ import annotations

from functools import partial
from typing import Any

import voluptuous as vol

from meters.metric_api.bodies import validate
from meters.metric_api.errors import refusal
from meters.metric_api.ids import resource_uuid

MAX_DEPTH = 20
MAX_TERMS = 1000
COMPARISONS = ("=", "==", "eq", "!=", "≠", "ne", "<", "lt", "<=", "≤", "le", ">", "gt", ">=", "≥",
               "ge")  # fmt: skip
JOINTS = ("and", "∧", "or", "∨")
_SCALAR = vol.Any(str, float, int, bool, None)
_NOT_ID = vol.All(str, vol.NotIn(["id"]))


def checked(search: Any, creator: str) -> dict[str, Any]:
    """The search with the UUIDs of the caller's ids. Raises `ApiError`."""
    _check_size(search)
    found: dict[str, Any] = validate(_schema(creator), search)
    return found


def _schema(creator: str) -> vol.Schema:
    identity = partial(resource_uuid, creator=creator)
    one = vol.Length(min=1, max=1)
    listed = vol.Length(min=1)

    def again(value: Any) -> Any:
        return schema(value)

    comparison = vol.All(one, {"id": identity, _NOT_ID: _SCALAR})
    schema = vol.Schema(
        vol.All(
            vol.Length(max=1),
            {
                vol.Any(*COMPARISONS): comparison,
                "like": vol.All(one, {_NOT_ID: _SCALAR}),
                "in": vol.All(
                    one,
                    {"id": vol.All([identity], listed), _NOT_ID: vol.All([_SCALAR], listed)},
                ),
                vol.Any(*JOINTS): vol.All([again], listed),
                "not": again,
            },
        )
    )
    return schema


def _check_size(search: Any) -> None:
    """Before anything goes down into it. Terms are operators, and the values after ``in``."""
    level, depth, terms = [search], 0, 0
    while level:
        found = [pair for one in level if isinstance(one, dict) for pair in one.items()]
        depth, terms = depth + 1, terms + sum(_terms(*pair) for pair in found)
        if depth > MAX_DEPTH or terms > MAX_TERMS:
            limit = f"expected at most {MAX_TERMS} terms, nested at most {MAX_DEPTH} deep"
            raise refusal("Invalid input", reason=limit, detail=[])
        level = [search for pair in found for search in _searches(*pair)]


def _terms(operator: str, operand: Any) -> int:
    if operator != "in" or not isinstance(operand, dict):
        return 1
    return sum(len(values) for values in operand.values() if isinstance(values, list))


def _searches(operator: str, operand: Any) -> list[Any]:
    """Those inside."""
    if operator == "not":
        return [operand]
    return operand if operator in JOINTS and isinstance(operand, list) else []
