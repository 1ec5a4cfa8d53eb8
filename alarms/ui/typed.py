"""What somebody typed into a form, by field, and what was wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alarms.errors import DefinitionError

#: How a bound reads to people: ``Expected `int` >= 1`` is what programs are told.
_BOUND = re.compile(r"Expected `\w+` (>=|<=)")
BOUNDS = {">=": "must be at least", "<=": "must be at most"}


def json_list(field: str, text: str) -> list[Any]:
    """What begins with ``[`` in a field. Raises `DefinitionError` of `field`."""
    try:
        found = list(json.loads(text))
        json.dumps(found, ensure_ascii=False).encode()  # no half of a surrogate pair
    except (ValueError, RecursionError) as error:
        raise DefinitionError(field, f"is no JSON list: {error}") from error
    return found


@dataclass
class Typed:
    """`values` are texts by field; `errors` sentences by field."""

    values: dict[str, str]
    errors: dict[str, list[str]] = field(default_factory=dict)

    def require(self, name: str, words: str) -> str:
        if not self.values[name]:
            self.add(name, words)
        return self.values[name]

    def number(self, name: str, kind: type[int] | type[float], words: str) -> float | None:
        """With a comma or a point; what is no number at all stands as an error."""
        try:
            return kind(self.values[name].replace(",", "."))
        except ValueError:
            self.add(name, f"Give {words}.")
            return None

    def read(self, name: str, reader: Callable[[str], Any]) -> Any:
        """What stands in a field, by a reader of texts; its complaint becomes the field's error."""
        try:
            return reader(self.values[name])
        except DefinitionError as error:
            self.add(name, f"{error.detail.rstrip('.')}.")
            return None

    def lines(self, name: str) -> list[str]:
        return [line.strip() for line in self.values[name].splitlines() if line.strip()]

    def add(self, name: str, words: str) -> None:
        self.errors.setdefault(name, []).append(words[:1].upper() + words[1:])

    def place(self, error: DefinitionError, names: Mapping[str, str]) -> None:
        """Put an error of a definition to its field: `names` are those of the rule's that are
        called otherwise here, "" standing for all the others."""
        inner = error.field.removeprefix("policy.").removeprefix("template.")
        own = inner.removeprefix("rule.").removeprefix("rule").partition("[")[0]
        words = _BOUND.sub(lambda found: BOUNDS[found[1]], error.detail)
        if inner.startswith("rule") and "" in names:
            own, words = names[""], f"{inner}: {words}"
        elif inner.startswith("rule"):
            own = names.get(own, own)
        self.add(own if own in self.values else "form", f"{words.rstrip('.')}.")
