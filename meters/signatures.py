"""Signatures of single samples: HMAC-SHA256 with a secret that both sides have.

What is signed are the message's names and values in the order of the names, as ceilometer does it:
nested names are joined with colons, `message_signature` itself is left out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

FIELD = "message_signature"


def signature(message: Mapping[str, Any], secret: str) -> str:
    """In hexadecimal digits."""
    digest = hmac.new(secret.encode(), digestmod=hashlib.sha256)
    for name, value in _pairs(message):
        if name != FIELD:
            digest.update(name.encode())
            digest.update(str(value).encode())
    return digest.hexdigest()


def fits(message: Mapping[str, Any], secret: str) -> bool:
    """Whether the message carries its own signature."""
    given = message.get(FIELD)
    wanted = signature(message, secret)
    return isinstance(given, str) and hmac.compare_digest(given.lower().encode(), wanted.encode())


def _pairs(message: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in sorted(message.items()):
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _pairs(value, f"{name}:")
        else:
            yield name, value
