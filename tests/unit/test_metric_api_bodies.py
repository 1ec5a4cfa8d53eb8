"""Bodies of the metric API: what is no JSON, and where a schema finds something wrong."""

from __future__ import annotations

from typing import Any

import pytest
import voluptuous as vol

from meters.metric_api.bodies import decode, validate
from meters.metric_api.errors import ApiError, translate

SCHEMA = vol.Schema(
    {vol.Required("name"): str, "items": [{vol.Required("n"): vol.All(int, vol.Range(min=1))}]}
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b"{'a': 1}",
        b"[1,]",
        b"\xff",
        b"NaN",
        b'"\\ud800"',
        b"[" * 40 + b"]" * 40,
    ],
)
def test_what_is_no_json_is_told_in_constant_words(body: bytes) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - two kinds, told alike
        decode(body)
    error = translate(raised.value)
    assert error is not None
    assert (error.status, error.description) == (
        400,
        {"cause": "Unable to decode body", "reason": "Expected object or value", "detail": []},
    )


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        ([], "expected a dictionary", []),
        ({}, "required key not provided @ data['name']", ["name"]),
        ({"name": 1}, "expected str for dictionary value @ data['name']", ["name"]),
        ({"name": "x", "cow": 1}, "extra keys not allowed @ data['cow']", ["cow"]),
        (
            {"name": "x", "items": {}},
            "expected a list for dictionary value @ data['items']",
            ["items"],
        ),
        (
            {"name": "x", "items": [{"n": 1}, {"n": 0}]},
            "value must be at least 1 for dictionary value @ data['items'][1]['n']",
            ["items", "1", "n"],
        ),
        ({"name": "x", "items": [1]}, "expected a dictionary @ data['items'][0]", ["items", "0"]),
    ],
)
def test_what_breaks_the_schema_is_named_with_its_place(
    data: Any, reason: str, detail: list[str]
) -> None:
    with pytest.raises(ApiError) as error:
        validate(SCHEMA, data)
    assert error.value.status == 400
    assert error.value.description == {
        "cause": "Invalid input", "reason": reason, "detail": detail,
    }  # fmt: skip


def test_what_fits_is_what_the_schema_makes_of_it() -> None:
    assert validate(SCHEMA, decode(b'{"name": "x", "items": []}')) == {"name": "x", "items": []}
