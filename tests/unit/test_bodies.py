"""How deep a body is, before anything reads it."""

from __future__ import annotations

import time

import pytest

from meters.api.bodies import MAX_BODY_BYTES, MAX_DEPTH, check_depth
from meters.api.errors import InvalidBodyError


@pytest.mark.parametrize(
    "body",
    [
        b"[" * MAX_DEPTH, b'["' + b"[" * 100 + b'"]', b'["\\"' + b"[" * 100 + b'"]',
        b'["\\\\"' + b"[" * (MAX_DEPTH - 1), b'"', b'"\\', b"",
    ],
)  # fmt: skip
def test_texts_do_not_count(body: bytes) -> None:
    check_depth(body)


@pytest.mark.parametrize(
    "body", [b"[" * (MAX_DEPTH + 1), b'{"a":' * (MAX_DEPTH + 1), b'["\\\\"' + b"[" * MAX_DEPTH]
)
def test_what_is_too_deep(body: bytes) -> None:
    with pytest.raises(InvalidBodyError):
        check_depth(body)


@pytest.mark.parametrize(
    "unit", [b'\\"', b'"', b"\\", b'"\\', b'a\\"[', b'""\\"'], ids=lambda unit: unit.decode()
)
def test_no_body_takes_long(unit: bytes) -> None:
    """A text of escaped quotes without an end was gone through from each of them: for days."""
    body = (b'["' + unit * (MAX_BODY_BYTES // len(unit)))[: MAX_BODY_BYTES // 8]
    begin = time.process_time()
    check_depth(body)
    assert time.process_time() - begin < 2
