"""HMAC signatures of metering and event messages, as ceilometer's publishers make them.

The digest runs over the flattened message: keys in order, nested mappings as `parent:child`, no
separators between name and value. So two different messages may share a signature: it shows that
a message was not damaged and came from somebody who has the secret, not which tenant's it is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

FIELD = "message_signature"


def signature(message: Mapping[str, Any], secret: str) -> str:
    """HMAC-SHA256 in hex of all but the signature itself."""
    digest = hmac.new(secret.encode(), b"", hashlib.sha256)
    for name, value in _flattened(message):
        if name != FIELD:
            digest.update(str(name).encode())
            digest.update(str(value).encode(errors="surrogatepass"))
    return digest.hexdigest()


def signed(message: dict[str, Any], secret: str) -> dict[str, Any]:
    """The message with its signature."""
    return {**message, FIELD: signature(message, secret)}


def is_signed(message: Mapping[str, Any], secret: str) -> bool:
    """Whether the message carries the signature that belongs to it."""
    given = message.get(FIELD)
    return isinstance(given, str) and hmac.compare_digest(
        given.lower().encode(errors="replace"), signature(message, secret).encode()
    )


def _flattened(message: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in sorted(message.items()):
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}:")
        else:
            listed = _turned(value) if isinstance(value, list | tuple) else value
            yield f"{prefix}{name}", listed


def _turned(value: Any) -> Any:
    """Inside of a list texts count as they print as bytes: `[b'a']`."""
    if isinstance(value, dict):
        return {_turned(key): _turned(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_turned(inner) for inner in value]
    return value.encode(errors="surrogatepass") if isinstance(value, str) else value
