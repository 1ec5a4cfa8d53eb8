"""The notation of operations as a text: ``(aggregate mean (metric (cpu mean) (mem mean)))``.

Blanks stand between, nothing is quoted, numbers stay texts.
"""

from __future__ import annotations

import re
from typing import Any

from meters.operations.errors import OperationsError

MAX_LENGTH = 1_000_000
_TOKEN = re.compile(r"[()]|[^\s()]+")


def read_text(text: str) -> list[Any]:
    """The tree of lists that the text stands for. Raises `OperationsError`.

    Closing parentheses too many are passed over, as gnocchi does and its functional suite asks
    for; anything else behind the end is refused.
    """
    if len(text) > MAX_LENGTH:
        raise _unreadable(f"Expected at most {MAX_LENGTH} characters, found {len(text)}")
    top: list[Any] = []
    stack = [top]
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == ")":
            if len(stack) > 1:
                stack.pop()
            elif not top:
                raise _expected("'('", text, match.start())
        elif len(stack) == 1 and (top or token != "("):
            raise _expected("end of text" if top else "'('", text, match.start())
        elif token == "(":
            stack.append([])
            stack[-2].append(stack[-1])
        else:
            stack[-1].append(token)
    if len(stack) > 1 or not top:
        raise _expected("')'" if top else "'('", text, len(text))
    tree: list[Any] = top[0]
    return tree


def _expected(what: str, text: str, at: int) -> OperationsError:
    return _unreadable(expectation(what, text, at))


def expectation(what: str, text: str, at: int) -> str:
    """What was expected at a place of a text and what stands there, as gnocchi words it."""
    match = _TOKEN.match(text, at)
    found = repr(match[0][:40]) if match else "end of text"
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    where = f"(at char {at}), (line:{line}, col:{column})"
    return f"Expected {what}, found {found}  {where}"


def _unreadable(detail: str) -> OperationsError:
    reason = "Fail to parse the operations string"
    return OperationsError("Invalid operations", reason, detail, f"{reason}: {detail}")
