"""The body of a quarantined item as text that is safe to look at. Pure."""

from __future__ import annotations

import json
from typing import Any

import msgspec

SHOWN = 64 * 1024
HEX_SHOWN = 2 * 1024


def as_text(body: bytes) -> tuple[str, str]:
    """(text, what it is): JSON and msgpack laid out, other text as it is, else a hex dump."""
    for name, reader in (("JSON", json.loads), ("msgpack", msgspec.msgpack.decode)):
        try:
            content = reader(body)
        except (ValueError, RecursionError, msgspec.MsgspecError):
            continue
        if isinstance(content, dict | list):
            return _cut(json.dumps(_plain(content), indent=2, ensure_ascii=False)), name
    try:
        return _cut(body.decode()), "text"
    except UnicodeDecodeError:
        return _hex(body[:HEX_SHOWN]), "bytes"


def _plain(content: Any, depth: int = 20) -> Any:
    """JSON types only: bytes become their length, or text where they are short and readable."""
    if depth == 0:
        return "…"
    if isinstance(content, dict):
        return {str(key): _plain(value, depth - 1) for key, value in content.items()}
    if isinstance(content, list):
        return [_plain(value, depth - 1) for value in content]
    if isinstance(content, bytes):
        return _bytes(content)
    return content if isinstance(content, str | int | float | bool | None) else str(content)


def _bytes(content: bytes) -> str:
    if len(content) <= 2048:
        try:
            return content.decode()
        except UnicodeDecodeError:
            pass
    return f"({len(content)} bytes)"


def _cut(text: str) -> str:
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}\n… {len(text) - SHOWN} more characters"


def _hex(body: bytes) -> str:
    lines = (body[start : start + 16] for start in range(0, len(body), 16))
    return "\n".join(
        f"{place * 16:06x}  {line.hex(' '):<48} {_printable(line)}"
        for place, line in enumerate(lines)
    )


def _printable(line: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
