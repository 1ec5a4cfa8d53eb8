"""Conditions of events and classic alarms as lines, ``traits.memory_mb > integer::512``.

Pure. The type before ``::`` is written as aodh's own client wants it; without one it is the value's
own. Text that begins with ``[`` is the API's JSON list already.
"""

from __future__ import annotations

import json
from typing import Any

from alarms.errors import DefinitionError
from alarms.ui.filters import split
from alarms.ui.typed import json_list
from meters.wsme.typed import TYPES

#: Sign → the operator's name.
OPERATORS = {"!=": "ne", "<=": "le", ">=": "ge", "=": "eq", "<": "lt", ">": "gt"}
_SIGNS = {name: sign for sign, name in OPERATORS.items()}
_NAMED = tuple(f"{kind}::" for kind in TYPES if kind)


def to_conditions(text: str) -> list[Any]:
    """Raises `DefinitionError` of ``rule.query``."""
    text = text.strip()
    if text.startswith("["):
        return json_list("rule.query", text)
    return [_condition(*term) for term in split(text, tuple(OPERATORS))]


def _condition(field: str, sign: str, value: str) -> dict[str, str]:
    kind = next((name for name in _NAMED if value.startswith(name)), "")
    return {
        "field": field,
        "op": OPERATORS[sign],
        "type": kind.removesuffix("::"),
        "value": value.removeprefix(kind),
    }


def to_lines(conditions: list[dict[str, Any]]) -> str:
    """As lines where they can say the same, else as JSON."""
    try:
        lines = "\n".join(map(_line, conditions))
        same = to_conditions(lines) == conditions
    except (KeyError, DefinitionError):
        same = False
    return lines if same else json.dumps(conditions, indent=1, ensure_ascii=False)


def _line(one: dict[str, Any]) -> str:
    kind = f"{one['type']}::" if one["type"] else ""
    return f"{one['field']} {_SIGNS[one['op']]} {kind}{one['value']}"
