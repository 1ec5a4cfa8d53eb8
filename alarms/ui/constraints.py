"""Time constraints as lines, ``name=night;start=0 23 * * *;duration=28800;timezone=Europe/Paris``.

Pure. So aodh's own client takes them. Text that begins with ``[`` is the API's JSON list already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from alarms.definition.constraints import TimeConstraint
from alarms.errors import DefinitionError
from alarms.ui.typed import json_list

_NAMES = TimeConstraint.__struct_fields__
_NEEDED = ("name", "start", "duration")
EXAMPLE = "name=night;start=0 23 * * *;duration=28800;timezone=Europe/Paris"


def to_constraints(text: str) -> list[Any]:
    """What a definition takes. Raises `DefinitionError` that names the line."""
    text = text.strip()
    if text.startswith("["):
        return json_list("time_constraints", text)
    lines = enumerate(text.splitlines(), 1)
    return [_constraint(line.strip(), number) for number, line in lines if line.strip()]


def _constraint(line: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(str.strip, line.split(";")):
        name, sign, value = part.partition("=")
        if not sign or name.strip() not in _NAMES:
            words = f"line {number} is not like: {EXAMPLE}"
            raise DefinitionError("time_constraints", words)
        found[name.strip()] = value.strip()
    for name in _NEEDED:
        if not found.get(name):
            raise DefinitionError("time_constraints", f"line {number} has no {name}")
    try:
        found["duration"] = int(found["duration"])
    except ValueError as error:
        words = f"line {number} has a duration that is no whole number of seconds"
        raise DefinitionError("time_constraints", words) from error
    return found


def to_lines(stored: Iterable[Mapping[str, Any]]) -> str:
    """As lines where they can say the same, else as JSON."""
    constraints = [_without_usual(one) for one in stored]
    lines = "\n".join(map(_line, constraints))
    try:
        same = to_constraints(lines) == constraints
    except DefinitionError:
        same = False
    return lines if same else json.dumps(constraints, indent=1, ensure_ascii=False)


def _without_usual(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Without what it is anyway: UTC, and the description that is made of the rest."""
    needed = {name: stored[name] for name in _NEEDED}
    usual = TimeConstraint(**needed).described()
    others = ("timezone", "description")
    return needed | {name: stored[name] for name in others if stored[name] != usual[name]}


def _line(one: Mapping[str, Any]) -> str:
    return ";".join(f"{name}={value}" for name, value in one.items())
