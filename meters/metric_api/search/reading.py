"""The search that a request has."""

from __future__ import annotations

from typing import Any

from meters.metric_api.base import MetricView
from meters.metric_api.errors import refusal
from meters.metric_api.search.grammar import parse_filter

Search = dict[str, Any]


def body_or_filter(view: MetricView) -> Search:
    """The body's search, or that of ``?filter=`` where there is no body. Raises `ApiError`."""
    return _object(view.body()) if view.has_body else read_search(view.params.text("filter") or {})


def read_search(value: Any) -> Search:
    """JSON or a text, which may be empty. Raises `ApiError`."""
    if isinstance(value, str):
        return parse_filter(value) if value.strip() else {}
    return _object(value)


def _object(value: Any) -> Search:
    if not isinstance(value, dict):
        raise refusal("Invalid input", reason="expected a dictionary", detail=[])
    return value
