"""What may be a name: something that can be seen, and nothing that moves a cursor or a log."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: C0 and C1 controls, DEL.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: Letters, marks, numbers, punctuation, symbols: what has a shape.
_VISIBLE = "LMNPS"


@lru_cache(maxsize=4096)
def flaw_of(name: str) -> str:
    """Why the text is no name, or an empty text. Only ids and names; free text may hold more."""
    if _CONTROL.search(name):
        return "holds a control character"
    if not any(unicodedata.category(char)[0] in _VISIBLE for char in name):
        return "has no visible character"
    return ""
