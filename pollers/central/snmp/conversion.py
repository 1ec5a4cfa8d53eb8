"""The `type` of a definition: from what an agent answers to a value. Pure.

Files of ceilometer write Python there (``lambda x: int(x) / 8``), which is evaluated by the fixed
expression language instead; what that has not (`prettyPrint` of a library's object) is known by the
text as a whole.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from pollers.errors import PollersError
from telemetry_site.expressions import EvaluationError, Expression
from telemetry_site.yamlfile import DefinitionError

#: What an agent answers: numbers; texts as bytes; OIDs and IP addresses as text.
Raw = int | float | str | bytes
Conversion = Callable[[Raw], Any]

_LAMBDA = re.compile(r"lambda\s+([A-Za-z]\w*)\s*:\s*(.+)", re.DOTALL)
#: The variable of an expression that is no lambda.
VARIABLE = "x"


class ConversionError(PollersError):
    """An answer that is not of the type that the definition says."""


def text_of(raw: Raw) -> str:
    """Some agents end a text with a NUL. What is no UTF-8 is shown in hexadecimal digits."""
    if not isinstance(raw, bytes):
        return str(raw)
    try:
        return raw.rstrip(b"\x00").decode()
    except UnicodeDecodeError:
        return f"0x{raw.hex()}"


def hex_of(raw: Raw) -> str:
    """The bytes, like the twelve digits of a MAC address."""
    return raw.hex() if isinstance(raw, bytes) else str(raw)


def _number(kind: type[int] | type[float]) -> Conversion:
    def convert(raw: Raw) -> int | float:
        value = text_of(raw) if isinstance(raw, bytes) else raw
        try:
            return kind(value)
        except (ValueError, OverflowError):
            raise ConversionError(f"{text_of(raw)!r:.80} is no {kind.__name__}") from None

    return convert


NAMED: dict[str, Conversion] = {
    "int": _number(int), "float": _number(float), "str": text_of, "hex": hex_of,
}  # fmt: skip
#: By their trees, so that blanks and quotes do not matter.
_KNOWN_LAMBDAS: dict[str, Conversion] = {
    ast.dump(ast.parse(text, mode="eval")): conversion
    for text, conversion in (
        ("lambda x: x.prettyPrint().replace('0x', '')", hex_of),
        ("lambda x: x.prettyPrint()", text_of),
    )
}


def read_type(text: object) -> Conversion:
    """A name, or an expression in `x`, with `lambda x:` before it or not.

    Raises `DefinitionError`.
    """
    if not isinstance(text, str) or not text.strip():
        raise DefinitionError(f"{text!r:.80} is no type; there are {', '.join(NAMED)}")
    written = text.strip()
    if written in NAMED:
        return NAMED[written]
    known = _KNOWN_LAMBDAS.get(_tree(written))
    if known is not None:
        return known
    found = _LAMBDA.fullmatch(written)
    if found is None and written.startswith("lambda"):
        raise DefinitionError(f"{written!r:.80} is no expression of one variable")
    variable, body = found.groups() if found else (VARIABLE, written)
    try:
        expression = Expression(body, {variable})
    except DefinitionError as error:
        names = ", ".join(NAMED)
        raise DefinitionError(f"neither {names} nor an expression: {error}") from error
    if variable not in expression.names:
        raise DefinitionError(f"{written!r:.80} does not use {variable}")
    return _evaluated(expression, variable)


def _tree(text: str) -> str:
    try:
        return ast.dump(ast.parse(text, mode="eval"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _evaluated(expression: Expression, variable: str) -> Conversion:
    def convert(raw: Raw) -> Any:
        value = text_of(raw) if isinstance(raw, bytes) else raw
        try:
            made = expression.evaluate({variable: value})
        except EvaluationError as error:
            raise ConversionError(str(error)) from None
        if not isinstance(made, str | int | float):
            kind = type(made).__name__
            raise ConversionError(f"{expression.text!r:.80} gives a {kind}, no text or number")
        return made

    return convert
