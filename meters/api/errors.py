"""What the native door says when something is wrong: one shape for every error.

``{"code", "title", "detail", "errors": [{"field", "detail"}], "request_id"}``

`code` is for programs and never changes its meaning, `detail` is a sentence for people, `errors`
names the fields or parameters (``samples[3].value``). Views raise; `exception_handler` and, for
what never reaches a view, `meters.api.middleware` make the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, DataError, InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import set_rollback

log = structlog.get_logger(__name__)


class ApiError(APIException):
    """Root of this door's own errors. `retry_after` in seconds, `errors` as in the answer."""

    status_code = 400
    default_code = "invalid"
    retry_after: int | None = None

    def __init__(self, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.errors = errors or []


class BadParameterError(ApiError):
    """A query parameter that is unknown, repeated, or has no such value."""

    default_code = "bad_parameter"

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}", [{"field": name, "detail": detail}])


class InvalidBodyError(ApiError):
    """A body that breaks the format; `errors` names the places."""

    default_code = "invalid_body"


class LimitError(ApiError):
    """A query or body over a limit (W4): says which, what was asked, and how to narrow it."""

    default_code = "limit_exceeded"


class ConflictError(ApiError):
    """The row is not, or no longer, as the request takes it to be."""

    status_code = 409
    default_code = "conflict"


class LengthRequiredError(ApiError):
    """WSGI servers hand in a chunked body without its end: it would be read as none at all."""

    status_code = 411
    default_code = "length_required"


class TooLargeError(ApiError):
    status_code = 413
    default_code = "too_large"


class UnsupportedError(ApiError):
    status_code = 415
    default_code = "unsupported_media_type"


class UnprocessableError(ApiError):
    status_code = 422
    default_code = "unprocessable"


class QuotaExceededError(ApiError):
    status_code = 403
    default_code = "quota_exceeded"


class OverloadError(ApiError):
    """Try again later (W2): 429 is the caller's doing, 503 is ours."""

    def __init__(self, detail: str, status: int, retry_after: int) -> None:
        super().__init__(detail)
        self.status_code = status
        self.retry_after = retry_after
        self.default_code = "rate_limited" if status == 429 else "overloaded"


class DatabaseAwayError(ApiError):
    status_code = 503
    default_code = "database_unavailable"
    retry_after = 5


class QueryTimeoutError(ApiError):
    status_code = 504
    default_code = "query_timeout"


#: DRF's classes → our codes. All but the first share their detail text.
CODES = {
    400: "invalid",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}
#: What is said where the framework itself refuses, without a detail of its own.
DETAILS = {
    400: "The request could not be understood.",
    403: "This request is not allowed.",
    404: "There is nothing here, or it is not yours.",
    500: "Something failed on our side. The log has it under the request id.",
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Every exception of a view as an answer; None leaves a bug to Django (500, logged)."""
    error = translate(exc)
    if not isinstance(error, APIException):
        return None
    set_rollback()
    headers = {}
    challenge = getattr(error, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    wait = getattr(error, "retry_after", None) or getattr(error, "wait", None)
    if wait:
        headers["Retry-After"] = str(int(wait))
    return Response(_body(error), status=error.status_code, headers=headers)


def body(status: int, code: str, detail: str, errors: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "code": code,
        "title": HTTPStatus(status).phrase,
        "detail": detail,
        "errors": errors,
        "request_id": request_id(),
    }


def request_id() -> str:
    """The id under which the log knows this request."""
    return f"req-{structlog.contextvars.get_contextvars().get('request_id', '')}"


def translate(exc: Exception) -> Exception:
    """Django's and the database's exceptions as an `APIException`; any other stays itself."""
    if isinstance(exc, Http404):
        return exceptions.NotFound(DETAILS[404])
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied(str(exc) or None)
    if isinstance(exc, UnreadablePostError):
        return ApiError("The body could not be read to its end.")
    if isinstance(exc, DatabaseError | InterfaceError):
        return _translate_database(exc)
    return exc


def _translate_database(exc: DatabaseError | InterfaceError) -> Exception:
    """Faults of the database that are nobody's bug; anything else stays one."""
    cause = exc.__cause__
    if isinstance(cause, psycopg.errors.QueryCanceled):
        log.warning("query timed out", error=str(cause))
        return QueryTimeoutError("The query took longer than the database allows. Narrow it.")
    if isinstance(exc, OperationalError | InterfaceError):
        log.error("database not available", error=str(exc))
        return DatabaseAwayError("The database is not available at the moment.")
    if isinstance(exc, DataError):
        log.warning("value refused by the database", error=str(exc))
        return ApiError("A value is out of the bounds of what can be stored or compared.")
    return exc


def _body(error: APIException) -> dict[str, Any]:
    status = error.status_code
    if isinstance(error, ApiError):
        return body(status, error.default_code, str(error.detail), error.errors)
    if isinstance(error, exceptions.ValidationError):
        errors = list(_flatten("", error.detail))
        return body(status, "invalid", _sentence(errors), errors)
    return body(status, CODES.get(status, "error"), str(error.detail), [])


def _flatten(path: str, detail: Any) -> Iterator[dict[str, str]]:
    """DRF's nested details as flat rows: ``{"a": [{"b": ["x"]}]}`` → ``a[0].b: x``."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else str(name)
            step = f"[{name}]" if isinstance(name, int) else f".{own}" if path and own else own
            yield from _flatten(f"{path}{step}", inner)
    elif isinstance(detail, list):
        for place, inner in enumerate(detail):
            is_text = isinstance(inner, str)
            yield from _flatten(path if is_text else f"{path}[{place}]", inner)
    else:
        yield {"field": path, "detail": str(detail)}


def _sentence(errors: list[dict[str, str]]) -> str:
    if not errors:
        return DETAILS[400]
    first = errors[0]
    text = f"{first['field']}: {first['detail']}" if first["field"] else first["detail"]
    more = len(errors) - 1
    return f"{text} (and {more} more)" if more else text
