"""The simple query of an alarm's history."""

from __future__ import annotations

from django.db.models import Q

from meters.wsme.simple import (
    BOUNDS,
    Term,
    check_type,
    offset_of,
    require_operator,
    text_of,
    unrecognized,
    widened,
)

HISTORY_FIELDS = {
    "type": "type", "severity": "severity", "user_id": "user_id", "user": "user_id",
    "project_id": "actor_project", "project": "actor_project",
}  # fmt: skip
HISTORY_KEYS = ["project", "search_offset", "severity", "timestamp", "type", "user"]


def history_condition(terms: list[Term]) -> Q:
    """On rows with `actor_project`. Raises `Fault`."""
    offset = offset_of(terms)
    found = Q()
    for term in terms:
        check_type(term)
        if term.field == "timestamp":
            found &= Q((f"timestamp__{BOUNDS.get(term.op)}", widened(term, offset)))
        elif term.field != "search_offset":
            found &= _equal(term, terms)
    return found


def _equal(term: Term, terms: list[Term]) -> Q:
    if term.field not in HISTORY_FIELDS:
        raise unrecognized(term, terms, HISTORY_KEYS)
    require_operator(term)
    return Q((HISTORY_FIELDS[term.field], text_of(term)))
