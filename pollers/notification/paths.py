"""JSONPath expressions of definition files, compiled once at load.

The dialect is the one that deployed definitions are written in: `jsonpath_ng.ext` before 2.0,
with one habit of its forerunner restored: `[*]` of an object is the object (`metric.[*].name` is
what the stock file for object storage says, of a `metric` that is no list).
Nearly all expressions are plain dotted names (`$.payload.size`, `payload.image_meta.'a.b'`);
those are answered by looking the names up, the others by jsonpath-ng (35 µs a search).

In this dialect `|` binds tighter than `.`: `ctxt.user_id|ctxt.user` would read
`ctxt.(user_id|ctxt).user` and never find anything. Whoever writes whole paths on both sides
means either of them, so the loader sets the parentheses: `(ctxt.user_id)|(ctxt.user)`.
"""

from __future__ import annotations

import re
import warnings
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, Protocol

from jsonpath_ng.ext.parser import ExtendedJsonPathParser
from jsonpath_ng.jsonpath import Wildcard

from telemetry_site.yamlfile import DefinitionError

#: The names at the top of a converted message.
ROOTS = ("ctxt", "publisher_id", "event_type", "payload", "metadata")

_NAME = r"(?:[A-Za-z_@][A-Za-z0-9_@\-]*|'[^'\\]*')"
_DOTTED = re.compile(rf"(?:\$\.)?{_NAME}(?:\.{_NAME})*")
_WHOLE_PATH = re.compile(rf"\s*(?:\$|(?:{'|'.join(ROOTS)})[.\[]|(?:publisher_id|event_type)\s*$)")
#: Pieces in which a `|` is no union: quoted text, functions, brackets, parentheses.
_OPAQUE = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|\([^()]*\)")

#: What jsonpath-ng raises when an expression does not fit a message (arithmetic on text, …).
_MISFITS = (
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError, re.error,
)  # fmt: skip


class PathError(ValueError):
    """An expression that could not be evaluated on this message."""


class Path(Protocol):
    text: str

    def matches(self, message: Any) -> list[tuple[str, Any]]:
        """All (place, value), nulls included. Raises `PathError`."""


class DottedPath:
    """Names looked up one in the other."""

    def __init__(self, text: str) -> None:
        self.text = text
        names = re.findall(_NAME, text.removeprefix("$."))
        self.names = tuple(name.strip("'") for name in names)
        self.place = ".".join(self.names)

    def matches(self, message: Any) -> list[tuple[str, Any]]:
        value = message
        for name in self.names:
            if not isinstance(value, dict) or name not in value:
                return []
            value = value[name]
        return [(self.place, value)]


class _Items(Wildcard):
    """`[*]`: the elements of a list; anything else stands for itself."""

    def find(self, datum: Any) -> list[Any]:
        if isinstance(datum.value, dict | str | int | float):
            return [datum]
        found: list[Any] = super().find(datum)
        return found


class _Parser(ExtendedJsonPathParser):
    def p_slice_any(self, p: Any) -> None:
        "slice : '*'"
        p[0] = _Items()


@cache
def _parser() -> _Parser:
    return _Parser()


class JsonPath:
    """Everything else: filters, wildcards, functions, arithmetic."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            with warnings.catch_warnings():
                # jsonpath-ng 1.x warns of syntax that 2.0 drops; we stay on 1.x for its sake.
                warnings.simplefilter("ignore", DeprecationWarning)
                self.expression = _parser().parse(parenthesised(text))
        except Exception as error:
            raise DefinitionError(f"{text!r} is not a JSONPath expression: {error}") from error

    def matches(self, message: Any) -> list[tuple[str, Any]]:
        try:
            return [(_place(match), match.value) for match in self.expression.find(message)]
        except _MISFITS as error:
            raise PathError(f"{self.text}: {type(error).__name__}: {error}") from error


@lru_cache(maxsize=4096)
def compile_path(text: str) -> Path:
    """Raises `DefinitionError` when the text is no expression."""
    if _DOTTED.fullmatch(text.strip()):
        return DottedPath(text.strip())
    return JsonPath(text)


def parenthesised(text: str) -> str:
    """`a.b|c.d` as `(a.b)|(c.d)`, where each alternative is a whole path of its own."""
    pieces = _split_union(text)
    if len(pieces) < 2 or not all(_WHOLE_PATH.match(piece) for piece in pieces):
        return text
    return "|".join(f"({piece.strip()})" for piece in pieces)


def _split_union(text: str) -> list[str]:
    """Split at each `|` outside of quotes, functions, brackets and parentheses."""
    masked = text
    while True:
        shorter = _OPAQUE.sub(lambda found: "\x00" * len(found.group()), masked)
        if shorter == masked:
            break
        masked = shorter
    bars = [place for place, letter in enumerate(masked) if letter == "|"]
    edges = [-1, *bars, len(text)]
    return [text[start + 1 : stop] for start, stop in pairwise(edges)]


def _place(match: Any) -> str:
    """The path of one match without the `$`, as the plugin `bitfield` compares it."""
    return str(match.full_path).replace(".[", "[")
