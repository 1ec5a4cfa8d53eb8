"""What these doors say when something is wrong: one shape for every error.

``{"error_message": {"faultcode": "Client", "faultstring": …, "debuginfo": null}}``

The clients read the sentence there; aodhclient dies of any other shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import JsonResponse

from meters.metric_api import errors as shared

UNAUTHORIZED = "RBAC Authorization Failed"
#: So much of a value is repeated in a sentence about it.
LONGEST_VALUE = 1000
#: No sentence is longer, whatever it repeats.
LONGEST_SENTENCE = 5000
SENTENCES = {
    400: "The request can't be understood.",
    401: "The request you have made requires authentication.",
    403: UNAUTHORIZED,
    404: "The resource could not be found.",
    405: "The method is not allowed for this resource.",
    406: "The answer can't be given in any of the media types that were asked for.",
    500: "Something failed on our side. The log has it under the request id.",
    503: "The server is not able to answer at the moment. Please try again.",
}


class Fault(Exception):
    """An answer of 400 or above, with its sentence."""

    def __init__(self, status: int, text: str = "", headers: Mapping[str, str] | None = None):
        text = text or SENTENCES.get(status, HTTPStatus(status).phrase)
        self.text = cut(text, LONGEST_SENTENCE)
        super().__init__(status, self.text)
        self.status = status
        self.headers = headers or {}


class FaultResponse(JsonResponse):
    def __init__(self, fault: Fault) -> None:
        code = "Client" if fault.status < 500 else "Server"
        message = {"faultcode": code, "faultstring": fault.text, "debuginfo": None}
        super().__init__({"error_message": message}, status=fault.status, headers=fault.headers)


def bad(text: str) -> Fault:
    return Fault(400, text)


def invalid(name: str, value: Any, text: str) -> Fault:
    """About a field's value, in WSME's words."""
    return bad(f"Invalid input for field/attribute {name}. Value: '{cut(str(value))}'. {text}")


def unknown_argument(name: str, more: str = "") -> Fault:
    return bad(f'Unknown argument: "{cut(name)}"{more}')


def missing_argument(name: str) -> Fault:
    return bad(f'Missing argument: "{name}"')


def foreign(what: str, name: str) -> Fault:
    """`what` is project or user. 401, as the originals have it."""
    return Fault(401, f"Not Authorized to access {what} {cut(name)}")


def cut(text: str, most: int = LONGEST_VALUE) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def translate(exc: Exception) -> Fault | None:
    """What a view's exception says to the client; None of a bug."""
    if isinstance(exc, Fault):
        return exc
    known = shared.translate(exc)
    return None if known is None else _of_shared(known)


def _of_shared(error: shared.ApiError) -> Fault:
    text = error.description if isinstance(error.description, str) else ""
    return Fault(error.status, text, error.headers)
