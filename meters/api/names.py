"""What may be a text at all, and what a name: something that can be seen, and nothing that moves a
cursor or a log."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: C0 and C1 controls, DEL.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: Halves of pairs in UTF-16: YAML, and JSON in a text, may bring them by an escape.
_SURROGATE = re.compile(r"[\ud800-\udfff]")
#: Letters, marks, numbers, punctuation, symbols: what has a shape.
_VISIBLE = "LMNPS"


def unstorable(text: str) -> str:
    """Why PostgreSQL can't hold the text, or an empty text."""
    if "\0" in text:
        return "holds a NUL character"
    return "holds half of a surrogate pair" if _SURROGATE.search(text) else ""


@lru_cache(maxsize=4096)
def flaw_of(name: str) -> str:
    """Why the text is no name, or an empty text. Only ids and names; free text may hold more."""
    if _CONTROL.search(name):
        return "holds a control character"
    if not any(unicodedata.category(char)[0] in _VISIBLE for char in name):
        return "has no visible character"
    return ""
