"""Others' words on a terminal and in logs."""

from __future__ import annotations


def visible(text: str, keep: str = "\n\t") -> str:
    """With control characters, which could command a terminal, written out (but those to keep)."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else ascii(letter)[1:-1] for letter in text
    )
