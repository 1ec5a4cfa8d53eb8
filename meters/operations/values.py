"""Searching values (metric-api.md 16): ``{"<": [{"*": 2}, 9]}`` finds where value · 2 < 9.

A condition is an object of one comparison, or ``and`` or ``or`` with a list of conditions. The
operand of a comparison, or of arithmetic inside, is a number, which goes with the value itself
(``{">": 5}``), or a list of two, each a number or an object of one operator again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from meters.aggregation import Flags, Floats
from meters.operations.errors import OperationsError
from meters.operations.functions import FUNCTIONS
from meters.operations.literals import number_of, shown

MAX_DEPTH = 32
MAX_TERMS = 1_000
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
_ARITHMETIC = ("+", "-", "*", "/", "**", "%")
_JOINTS: dict[str, np.ufunc] = {
    "and": np.logical_and,
    "∧": np.logical_and,
    "or": np.logical_or,
    "∨": np.logical_or,
}

#: Which of the values fulfil it.
Condition = Callable[[Floats], Flags]
_Expression = Callable[[Floats], Floats]
Path = tuple[str | int, ...]


def parse_condition(search: object) -> Condition:
    """The condition that a JSON value stands for. Raises `OperationsError`."""
    condition = _Reader().condition(search, ())

    def fulfilled(values: Floats) -> Flags:
        with np.errstate(all="ignore"):
            return condition(values)

    return fulfilled


class _Reader:
    """Counts the terms while it goes down; `path` is the place in the search."""

    def __init__(self) -> None:
        self.terms = 0

    def condition(self, search: object, path: Path) -> Condition:
        name, operand = self._operator(search, path)
        if name in _JOINTS:
            return self._joint(name, operand, (*path, name))
        if name not in FUNCTIONS or FUNCTIONS[name].name not in _COMPARISONS:
            raise _refusal(f"{shown(name)} is neither a comparison nor 'and' nor 'or'", path)
        compare = self._function(name, operand, (*path, name))
        return lambda values: compare(values) == 1.0

    def _joint(self, name: str, operands: object, path: Path) -> Condition:
        if not isinstance(operands, list) or not operands:
            raise _refusal("expected a list of conditions", path)
        found = [self.condition(one, (*path, place)) for place, one in enumerate(operands)]
        join = _JOINTS[name]
        return lambda values: join.reduce([one(values) for one in found])

    def _function(self, name: str, operand: object, path: Path) -> _Expression:
        """A comparison or arithmetic of the value and a number, or of two operands."""
        compute = FUNCTIONS[name].compute
        if not isinstance(operand, list):
            number = _number(operand, path)
            return lambda values: compute(values, number)
        if len(operand) != 2:
            raise _refusal(f"expected a number or two operands, got {len(operand)}", path)
        left, right = (self._operand(one, (*path, place)) for place, one in enumerate(operand))
        return lambda values: compute(left(values), right(values))

    def _operand(self, operand: object, path: Path) -> _Expression:
        if not isinstance(operand, dict):
            number = _number(operand, path)
            return lambda values: np.full_like(values, number)
        name, inner = self._operator(operand, path)
        if name not in FUNCTIONS or FUNCTIONS[name].name not in (*_ARITHMETIC, *_COMPARISONS):
            raise _refusal(f"{shown(name)} is neither arithmetic nor a comparison", path)
        return self._function(name, inner, (*path, name))

    def _operator(self, search: object, path: Path) -> tuple[str, object]:
        self.terms += 1
        if len(path) > MAX_DEPTH or self.terms > MAX_TERMS:
            limit = f"at most {MAX_TERMS} terms, nested at most {MAX_DEPTH} deep"
            raise _refusal(f"expected {limit}", path)
        if not isinstance(search, dict) or len(search) != 1:
            raise _refusal('expected an object with one operator, like {">": 5}', path)
        [(name, operand)] = search.items()
        return str(name), operand


def _number(value: object, path: Path) -> float:
    number = None if isinstance(value, str) else number_of(value)
    if number is None:
        raise _refusal(f"expected a number, got {shown(value)}", path)
    return number


def _refusal(reason: str, path: Path) -> OperationsError:
    place = "".join(f"[{step!r}]" for step in path)
    text = f"{reason} @ data{place}" if path else reason
    return OperationsError("Invalid input", text, [str(step) for step in path])
