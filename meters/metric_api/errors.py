"""What the metric API says when something is wrong, in the forms that its clients know.

Clients match on the description: a text (its beginning chooses gnocchiclient's exception), a dict
with some of `cause`, `reason` and `detail`, "" (a status that says it all) or None (no such path).
`Retry-After` is never sent: gnocchiclient breaks on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Any

import voluptuous
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import APIException

from meters.api import errors as house
from meters.metric_api import accept
from meters.operations.errors import OperationsError

Description = str | dict[str, Any] | None

EXPLANATIONS = {
    400: "The server could not comply with the request since it is either malformed or "
    "otherwise incorrect.",
    401: "This server could not verify that you are authorized: the credentials are missing or "
    "not good for it.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    405: "The method {method} is not allowed for this resource.",
    406: "The answer can't be given in any of the media types that were asked for.",
    409: "There was a conflict when trying to complete your request.",
    412: "The resource is not in the state that the request takes it to be in.",
    415: "The request's media type is not supported by this resource.",
    500: "Something failed on our side. The log has it under the request id.",
    501: "This is not supported.",
    503: "The server is not able to answer at the moment. Please try again.",
}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><title>{status}</title></head>
<body><h1>{status}</h1><p>{explanation}</p><p>{detail}</p></body>
</html>
"""


class ApiError(Exception):
    """An answer that a view breaks off with: 400 or above, or 304."""

    def __init__(
        self,
        status: int,
        description: Description = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, description)
        self.status = status
        self.description = description
        self.headers = headers or {}

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase


class ErrorResponse(HttpResponse):
    """An error in the form that its `Accept` asks for."""

    def __init__(self, error: ApiError, request: HttpRequest) -> None:
        media_type = accept.error_type(request.META.get("HTTP_ACCEPT", ""))
        content_type = media_type if media_type == accept.JSON else f"{media_type}; charset=UTF-8"
        has_body = error.status >= 400  # 304 is raised too
        body = _RENDERERS[media_type](error, request.method or "") if has_body else b""
        super().__init__(body, content_type, error.status, headers=error.headers)


def _as_json(error: ApiError, _method: str) -> str:
    body = {"code": error.status, "title": error.title, "description": error.description}
    return json.dumps(body, ensure_ascii=False)


def _as_text(error: ApiError, method: str) -> str:
    detail = error.description or ""
    return f"{error.status} {error.title}\n\n{_explanation(error, method)}\n\n {detail}  "


def _as_html(error: ApiError, method: str) -> bytes:
    page = PAGE.format(
        status=f"{error.status} {error.title}",
        explanation=escape(_explanation(error, method)),
        detail=escape(str(error.description or "")),
    )
    return page.encode("ascii", "xmlcharrefreplace")


def _explanation(error: ApiError, method: str) -> str:
    return EXPLANATIONS.get(error.status, error.title).format(method=method)


_RENDERERS = {accept.JSON: _as_json, accept.HTML: _as_html, "text/plain": _as_text}


def refusal(cause: str, status: int = 400, **more: Any) -> ApiError:
    """An error whose description is a dict: `cause`, and `reason` and `detail` where given."""
    return ApiError(status, {"cause": cause, **more})


def bad_argument(name: str, reason: str) -> ApiError:
    """A query parameter that can't be read."""
    return refusal("Argument value error", detail=name, reason=reason)


def invalid_input(error: voluptuous.Invalid) -> ApiError:
    """A schema's error, with the path to what is wrong."""
    detail = [str(step) for step in error.path]
    return refusal("Invalid input", reason=str(error), detail=detail)


def undecodable() -> ApiError:
    """The body is no JSON. The words are a JSON library's that clients have learnt."""
    return refusal("Unable to decode body", reason="Expected object or value", detail=[])


def bad_request(description: Description) -> ApiError:
    return ApiError(400, description)


def forbidden(description: str = "") -> ApiError:
    return ApiError(403, description)


def not_found(description: Description) -> ApiError:
    return ApiError(404, description)


def conflict(description: Description) -> ApiError:
    return ApiError(409, description)


def translate(exc: Exception) -> ApiError | None:
    """What a view's exception says to the client; None of a bug (it becomes a 500)."""
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, OperationsError):
        return refusal(exc.cause, reason=exc.reason, detail=exc.detail)
    if isinstance(exc, voluptuous.Invalid):
        return invalid_input(exc)
    if isinstance(exc, house.InvalidBodyError):
        return undecodable()
    if isinstance(exc, Http404):
        return not_found(None)
    known = house.translate(exc)
    return _of_framework(known) if isinstance(known, APIException) else None


def _of_framework(exc: APIException) -> ApiError:
    """With the text that somebody wrote for this error; DRF's own say no more than the status."""
    challenge = getattr(exc, "auth_header", None)
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    text = str(exc.detail)
    return ApiError(exc.status_code, "" if text == str(exc.default_detail) else text, headers)


def of_status(status: int) -> ApiError:
    """For what was refused before a view was reached."""
    return ApiError(status, None if status == 404 else "")
