"""The three forms of the metric API's errors, and which exception says what."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from django.core.exceptions import PermissionDenied
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import exceptions

from meters.api.errors import InvalidBodyError, OverloadError, TooLargeError
from meters.metric_api import accept, errors
from meters.metric_api.errors import ApiError, ErrorResponse
from meters.operations.errors import OperationsError, invalid_input

DICT = {"cause": "Unknown resources", "detail": [{"resource_id": "é"}]}


def response(error: ApiError, accepting: str | None, method: str = "GET") -> ErrorResponse:
    headers = {} if accepting is None else {"Accept": accepting}
    return ErrorResponse(error, RequestFactory().generic(method, "/", headers=headers))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "text/plain"),
        ("application/json", accept.JSON),
        ("application/*", accept.JSON),
        ("application/json, text/plain, */*", accept.JSON),
        ("text/html, application/json;q=0.1", accept.JSON),
        ("application/json;q=0", "text/plain"),
        ("application/json;q=0, */*", accept.HTML),
        ("*/*", accept.HTML),
        ("text/*", accept.HTML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", accept.HTML),
        ("text/plain", "text/plain"),
        ("image/png, ;;q=,", "text/plain"),
        ("text/html;q=zz", "text/plain"),
    ],
)
def test_the_form_follows_from_what_is_accepted(header: str, expected: str) -> None:
    assert accept.error_type(header) == expected


@given(st.text())
def test_no_header_breaks_the_choice(header: str) -> None:
    assert accept.error_type(header) in (accept.JSON, accept.HTML, "text/plain")
    accept.admits(header, accept.JSON)


@pytest.mark.parametrize("description", ["", None, "Metric x does not exist", DICT])
def test_json_has_the_description_as_it_is(description: Any) -> None:
    told = response(ApiError(404, description), "application/json")
    assert told["Content-Type"] == "application/json"
    assert json.loads(told.content) == {
        "code": 404, "title": "Not Found", "description": description,
    }  # fmt: skip


def test_text_has_the_explanation_and_the_detail_raw() -> None:
    told = response(ApiError(409, "Archive policy ✔é already exists"), None)
    assert told["Content-Type"] == "text/plain; charset=UTF-8"
    assert told.content.decode() == (
        "409 Conflict\n\nThere was a conflict when trying to complete your request.\n\n"
        " Archive policy ✔é already exists  "
    )
    assert f" {DICT}  " in response(ApiError(400, DICT), None).content.decode()


def test_html_is_escaped_and_ascii() -> None:
    told = response(ApiError(400, "<b>é & 'x'</b>"), "*/*")
    assert told["Content-Type"].startswith("text/html")
    page = told.content.decode("ascii")
    assert "<title>400 Bad Request</title>" in page
    assert "&lt;b&gt;&#233; &amp; &#x27;x&#x27;&lt;/b&gt;" in page


@pytest.mark.parametrize(
    ("status", "beginning"),
    [
        (400, "400 Bad Request\n\nThe server could not comply with the request since it is either "
              "malformed or otherwise incorrect."),
        (401, "401 Unauthorized\n\nThis server could not verify that you are authorized"),
        (403, "403 Forbidden\n\nAccess was denied to this resource."),
        (404, "404 Not Found\n\nThe resource could not be found."),
        (405, "405 Method Not Allowed\n\nThe method PUT is not allowed for this resource."),
        (406, "406 Not Acceptable\n\n"),
        (412, "412 Precondition Failed\n\n"),
        (415, "415 Unsupported Media Type\n\n"),
        (501, "501 Not Implemented\n\n"),
        (503, "503 Service Unavailable\n\n"),
        (429, "429 Too Many Requests\n\nToo Many Requests\n\n"),
    ],
)  # fmt: skip
def test_each_status_has_its_explanation(status: int, beginning: str) -> None:
    assert response(ApiError(status), None, "PUT").content.decode().startswith(beginning)


def test_304_has_no_body() -> None:
    assert response(ApiError(304), "application/json").content == b""


@pytest.mark.parametrize(
    ("exc", "status", "description"),
    [
        (ApiError(412), 412, ""),
        (Http404(), 404, None),
        (PermissionDenied(), 403, ""),
        (exceptions.NotAuthenticated(), 401, ""),
        (exceptions.AuthenticationFailed(), 401, ""),
        (exceptions.PermissionDenied(), 403, ""),
        (exceptions.PermissionDenied("Insufficient privileges"), 403, "Insufficient privileges"),
        (InvalidBodyError("nested deeper"), 400, errors.undecodable().description),
        (TooLargeError("too large"), 413, "too large"),
        (OverloadError("later", 503, 5), 503, "later"),
        (OperationalError("gone"), 503, "The database is not available at the moment."),
        (
            DataError("NUL"),
            400,
            "A value is out of the bounds of what can be stored or compared.",
        ),
        (
            OperationsError("Invalid operations", "Fail to parse", "Expected ')'"),
            400,
            {"cause": "Invalid operations", "reason": "Fail to parse", "detail": "Expected ')'"},
        ),
        (
            invalid_input("expected a list", "a sentence"),
            400,
            {
                "cause": "Invalid input",
                "reason": "expected a list for dictionary value @ data['operations']",
                "detail": ["operations"],
            },
        ),
    ],
)
def test_an_exception_is_told_as_clients_know_it(
    exc: Exception, status: int, description: Any
) -> None:
    error = errors.translate(exc)
    assert error is not None
    assert (error.status, error.description) == (status, description)
    assert "Retry-After" not in response(error, None)


def test_a_query_that_took_too_long_is_told() -> None:
    exc = OperationalError("canceled")
    exc.__cause__ = psycopg.errors.QueryCanceled()
    error = errors.translate(exc)
    assert error is not None
    assert error.status == 504


def test_a_challenge_is_passed_on() -> None:
    exc = exceptions.NotAuthenticated()
    exc.auth_header = "Keystone uri='x'"  # type: ignore[attr-defined]
    error = errors.translate(exc)
    assert error is not None
    assert response(error, None)["WWW-Authenticate"] == "Keystone uri='x'"


@pytest.mark.parametrize("exc", [RuntimeError("a bug"), IntegrityError("a bug"), KeyError("x")])
def test_a_bug_stays_one(exc: Exception) -> None:
    assert errors.translate(exc) is None


def test_a_refusal_has_the_keys_that_are_given() -> None:
    assert errors.refusal("C").description == {"cause": "C"}
    error = errors.refusal("C", status=404, reason="r", detail=[])
    assert (error.status, error.description) == (404, {"cause": "C", "reason": "r", "detail": []})
