"""What an `Accept` header asks for."""

from __future__ import annotations

JSON = "application/json"
HTML = "text/html"


def admits(header: str, media_type: str) -> bool:
    """Whether an answer of this type may be sent. No header admits everything."""
    return not header.strip() or _quality(header, media_type) > 0


def error_type(header: str) -> str:
    """The type of an error's body: JSON where it is asked for by name, HTML where anything is."""
    named = ",".join(range_ for range_ in header.split(",") if "*/*" not in range_)
    if _quality(named, JSON) > 0:
        return JSON
    return HTML if _quality(header, HTML) > 0 else "text/plain"


def _quality(header: str, media_type: str) -> float:
    """The q of the most specific range that fits, 0 where none does."""
    found = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        found[name] = _q_of(parameters)
    family = f"{media_type.split('/')[0]}/*"
    for name in (media_type, family, "*/*"):
        if name in found:
            return found[name]
    return 0.0


def _q_of(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
