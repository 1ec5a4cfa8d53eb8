"""What of one message is not the same on both sides, and which of that is meant to be so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

ABSENT = "(absent)"


@dataclass(frozen=True)
class Difference:
    """`what`: "sample METER", "sample METER FIELD", "event", "event FIELD" or "trait NAME"."""

    case: str
    what: str
    ceilometer: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.what}: ceilometer {_short(self.ceilometer)}, ours {_short(self.ours)}"


@dataclass
class Meant:
    """A difference that is meant: wildcards for `cases` and `whats`, values where they are given.

    `unused` are those wildcards that have covered nothing yet.
    """

    cases: list[str]
    whats: list[str]
    values: dict[str, Any] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.unused = {*self.cases, *self.whats}

    def covers(self, difference: Difference) -> bool:
        found = {"ceilometer": difference.ceilometer, "ours": difference.ours}
        if any(found[side] != value for side, value in self.values.items()):
            return False
        cases = {one for one in self.cases if fnmatchcase(difference.case, one)}
        whats = {one for one in self.whats if fnmatchcase(difference.what, one)}
        if cases and whats:
            self.unused -= cases | whats
        return bool(cases and whats)


#: What one side made of one message: {what: {field: value}}, fields of a sample or an event.
Made = Mapping[str, Mapping[str, Any]]


def differences(case: str, ceilometer: Made, ours: Made) -> Iterator[Difference]:
    """A thing that one side lacks is one difference, whatever it holds."""
    for what in sorted({*ceilometer, *ours}):
        theirs, mine = ceilometer.get(what), ours.get(what)
        if theirs is None or mine is None:
            yield Difference(case, what, _there(theirs), _there(mine))
            continue
        for name in sorted({*theirs, *mine}):
            pair = theirs.get(name, ABSENT), mine.get(name, ABSENT)
            if pair[0] != pair[1]:
                yield Difference(case, f"{what} {name}", *pair)


def unmeant(found: Iterable[Difference], meant: Iterable[Meant]) -> list[Difference]:
    """The differences that no line covers; marks those lines that cover one."""
    lines = list(meant)
    return [one for one in found if not [line for line in lines if line.covers(one)]]


def read_meant(path: Path) -> list[Meant]:
    """Raises `ValueError` for a line without a reason."""
    lines = []
    for written in yaml.safe_load(path.read_text()):
        if not written.get("reason"):
            raise ValueError(f"{path.name}: no reason: {written}")
        values = {side: written[side] for side in ("ceilometer", "ours") if side in written}
        lines.append(Meant(_listed(written["case"]), _listed(written["what"]), values))
    return lines


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _there(made: Mapping[str, Any] | None) -> Any:
    return ABSENT if made is None else "there"


def _short(value: Any) -> str:
    text = value if value is ABSENT else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:120] + " …"
