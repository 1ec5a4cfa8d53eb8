"""Patterns of labels: alternatives of plain text with `.*` and `.+` between.

What a general one costs, its author can make as large as he wants; these are looked for word by
word, in a time that grows with the text alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from meters.promql.tables import PromqlError

_TOKEN = re.compile(
    r"\\(?P<escaped>[^\w\s])|\.(?P<gap>[*+])|(?P<bar>\|)|(?P<plain>[^\\.*+?()\[\]{}^$|]+)"
)


@dataclass
class _Alternative:
    """Words with gaps between them; `gaps` says how many characters each has at least."""

    words: list[str] = field(default_factory=lambda: [""])
    gaps: list[int] = field(default_factory=list)

    def fits(self, text: str) -> bool:
        first, last = self.words[0], self.words[-1]
        if not self.gaps:
            return text == first
        if not text.startswith(first):
            return False
        at = len(first)
        # The first place of each word leaves the most for the others.
        for word, least in zip(self.words[1:-1], self.gaps, strict=False):
            found = text.find(word, at + least)
            if found < 0:
                return False
            at = found + len(word)
        return at + self.gaps[-1] + len(last) <= len(text) and text.endswith(last)


@dataclass(frozen=True)
class Pattern:
    alternatives: tuple[_Alternative, ...]

    def fits(self, text: str) -> bool:
        """The whole text."""
        return any(one.fits(text) for one in self.alternatives)


def pattern_of(value: str) -> Pattern:
    """Brackets round the whole change nothing. Raises `PromqlError` for any other pattern."""
    inner = value[1:-1] if value.startswith("(") and value.endswith(")") else value
    found = [_Alternative()]
    at = 0
    while at < len(inner):
        token = _TOKEN.match(inner, at)
        if token is None:
            raise PromqlError(
                f"has the pattern {value[:200]!r}: only alternatives (|) of plain text with .* or "
                ".+ between are supported here"
            )
        at = token.end()
        last = found[-1]
        match token.lastgroup:
            case "bar":
                found.append(_Alternative())
            case "gap":
                last.gaps.append(int(token["gap"] == "+"))
                last.words.append("")
            case _:
                last.words[-1] += token["escaped"] or token["plain"]
    return Pattern(tuple(found))
