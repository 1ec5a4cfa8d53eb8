"""Fixtures of the tests on a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from meters.metric_api.known import known
from meters.store import write
from tests.support.head import empty_head
from tests.support.visitors import signed_in


@pytest.fixture
def fresh_store(transactional_db: None) -> Iterator[None]:
    """The tables are emptied between tests, but what they hold is remembered."""
    yield from _like_new()


@pytest.fixture
def undone_store(db: None) -> Iterator[None]:
    """As `fresh_store`, rolled back at the end: for tests of one thread that need no commit."""
    yield from _like_new()


def _like_new() -> Iterator[None]:
    empty_head()
    write._cache.clear()
    known.clear()
    yield
    write._cache.clear()
    known.clear()


@pytest.fixture
def operator() -> Client:
    return signed_in("operator")


@pytest.fixture
def member() -> Client:
    return signed_in("member")


@pytest.fixture
def reader() -> Client:
    return signed_in("reader")


@pytest.fixture
def stranger() -> Client:
    return signed_in("stranger")
