"""Extraction expressions: ``key.path | op | op …``, the way to a value inside an answer.

The first part is a path of plain keys, or `.` for the whole; each `op` is an expression that is
given what the parts before it found as `value`, and must use that or another variable.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from telemetry_site.expressions import Expression, LackingError, Variables
from telemetry_site.yamlfile import DefinitionError


class Extraction:
    """`text` as it was written is also the key under which metadata keep what it finds."""

    def __init__(self, text: object, names: Collection[str] = ()) -> None:
        """`names` are variables beside `value`. Raises `DefinitionError`."""
        if not isinstance(text, str) or not text.strip():
            raise DefinitionError(
                f"{text!r:.80} is no path; it looks like flavor.vcpus or . | len(value)"
            )
        self.text = text
        path, *operations = [part.strip() for part in parts_of(text)]
        self.keys = [] if path == "." else path.split(".")
        if not all(self.keys):
            raise DefinitionError(f"{path!r:.80} is no path: a key is empty")
        self.operations = [_operation(operation, names) for operation in operations]

    def find(self, whole: Any, variables: Variables | None = None) -> Any:
        """Raises `LackingError` where a key is not there, `EvaluationError` for the rest."""
        value = whole
        for place, key in enumerate(self.keys):
            if not isinstance(value, dict) or key not in value:
                raise LackingError(f"there is no {'.'.join(self.keys[: place + 1])}")
            value = value[key]
        for operation in self.operations:
            value = operation.evaluate({**(variables or {}), "value": value})
        return value


def _operation(text: str, names: Collection[str]) -> Expression:
    expression = Expression(text, {"value", *names})
    if not expression.names & {"value", *names}:
        raise DefinitionError(f"{text!r:.200} does not use value")
    return expression


def parts_of(text: str) -> Iterator[str]:
    """The text at each `|` that stands in no quotes."""
    start, quote = 0, ""
    for place, character in enumerate(text):
        if quote:
            if character == quote and text[place - 1] != "\\":
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "|":
            yield text[start:place]
            start = place + 1
    yield text[start:]
