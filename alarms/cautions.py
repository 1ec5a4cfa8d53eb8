"""What is no fault but should be known to whoever makes an alarm."""

from __future__ import annotations


def as_header(text: str) -> str:
    """The value of an HTTP `Warning`: 299 is a miscellaneous persistent one (RFC 7234, 5.5)."""
    plain = text.encode("ascii", "replace").decode()
    quoted = "".join(one for one in plain if one.isprintable()).replace("\\", "\\\\")
    return '299 - "' + quoted.replace('"', '\\"') + '"'
