"""Errors as Prometheus' clients know them: a status, a type, a sentence."""

from __future__ import annotations

from typing import Literal

import msgspec
from django.http import HttpResponse

from meters.api.errors import DETAILS
from meters.metric_api.errors import ApiError, translate

ErrorType = Literal[
    "bad_data", "execution", "timeout", "not_found", "unauthorized", "forbidden", "internal",
    "unavailable",
]  # fmt: skip
_TYPES: dict[int, ErrorType] = {
    400: "bad_data", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "bad_data",
    406: "bad_data", 411: "bad_data", 413: "bad_data", 415: "bad_data", 422: "execution",
    503: "unavailable",
}  # fmt: skip


def bad_data(parameter: str, words: str) -> ApiError:
    """A parameter that can't be read."""
    return ApiError(400, f'invalid parameter "{parameter}": {words}')


def unanswerable(words: str) -> ApiError:
    """An expression that can be read, but not computed."""
    return ApiError(422, words)


def answer_of(exc: Exception) -> HttpResponse | None:
    """None of a bug."""
    error = translate(exc)
    if error is None:
        return None
    words = str(error.description or DETAILS.get(error.status, error.title))
    kind = _TYPES.get(error.status, "internal")
    body = {"status": "error", "errorType": kind, "error": words}
    return HttpResponse(
        msgspec.json.encode(body), "application/json", error.status, headers=error.headers
    )
