"""Fixtures of the API's tests: people, clients, stored data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection

from alarms import budget
from alarms.notifier.delivery import send_due
from meters.models import CatalogueEpoch
from meters.store import write
from tests.api.people import Client, make_people, token_of, with_token
from tests.api.world import World, make_world
from tests.integration.conftest import fresh_store  # noqa: F401 - a fixture


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """Also puts right what other tests left behind: no epoch row, cached series, spent budgets."""
    CatalogueEpoch.objects.get_or_create(pk=1)
    write._cache.clear()
    budget._asked._levels.clear()
    return make_people()


@pytest.fixture
def notifier() -> Iterator[None]:
    """Sends what is due until the test is over."""
    is_over = threading.Event()

    def work() -> None:
        try:
            while not is_over.wait(0.05):
                send_due()
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join()


@pytest.fixture
def world(people: dict[str, User]) -> World:
    return make_world()


@pytest.fixture
def as_(people: dict[str, User]) -> Callable[..., Client]:
    """`as_("member")` is a client with a token of that person; "anonymous" has none."""

    def client(name: str, *scopes: str, project: str = "") -> Client:
        if name == "anonymous":
            return Client()
        user = people[name]
        text = token_of(user, scopes, project) if scopes else token_of(user, project=project)
        return with_token(text)

    return client


@pytest.fixture
def member(as_: Callable[..., Client]) -> Client:
    return as_("member")


@pytest.fixture
def reader(as_: Callable[..., Client]) -> Client:
    return as_("reader")


@pytest.fixture
def stranger(as_: Callable[..., Client]) -> Client:
    return as_("stranger")


@pytest.fixture
def admin(as_: Callable[..., Client]) -> Client:
    return as_("admin")
