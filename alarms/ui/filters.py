"""A group of resources as lines, ``flavor.name = m1.small``, or as the JSON search they stand for.

Pure. All lines must hold; text that begins with ``{`` is a JSON search already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from alarms.errors import DefinitionError

OPERATORS = ("!=", "<=", ">=", "=", "<", ">", "like")
_LINE = re.compile(r"(\S+?)\s*(!=|<=|>=|=|<|>|(?<=\s)like(?=\s|$))\s*(.*)")
_ORDER = ("<", "<=", ">", ">=")


def to_search(text: str) -> str:
    """The JSON search as text. Raises `DefinitionError` that names the line."""
    text = text.strip()
    if text.startswith("{"):
        return text
    terms = [_term(*term) for term in split(text, OPERATORS)]
    if not terms:
        return "{}"
    return json.dumps(terms[0] if len(terms) == 1 else {"and": terms}, ensure_ascii=False)


def split(text: str, operators: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(name, operator, value) of each line that isn't empty. Raises `DefinitionError` that names
    the line."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None or found[2] not in operators:
            raise DefinitionError(
                "rule.query",
                f"line {number} is not like: display_name = web-1 (or {', '.join(operators)})",
            )
        yield found[1], found[2], found[3]


def _term(name: str, operator: str, value: str) -> dict[str, Any]:
    return {operator: {name: _number(value) if operator in _ORDER else value}}


def _number(value: str) -> str | int | float:
    """Above and below compare numbers with numbers, texts (and times) with texts."""
    try:
        number = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return number if type(number) in (int, float) else value


def to_lines(search: str) -> str:
    """The search as lines where lines can say the same, else as it is."""
    try:
        content = json.loads(search)
        terms = content.get("and", [content] if content else [])
        lines = "\n".join(_line(term) for term in terms)
        same = json.loads(to_search(lines)) == content
    except (ValueError, AttributeError, TypeError, DefinitionError):
        return search
    return lines if same else search


def _line(term: dict[str, Any]) -> str:
    [(operator, condition)] = term.items()
    [(name, value)] = condition.items()
    return f"{name} {operator} {value}"
