"""Fixtures of the API's tests: people, clients, stored data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from alarms import budget
from alarms.notifier.delivery import send_due
from meters.metric_api.known import known
from meters.models import CatalogueEpoch
from meters.store import write
from tests.api.people import Client, make_people, token_of, with_token
from tests.api.world import World, make_world
from tests.integration.conftest import fresh_store  # noqa: F401 - a fixture
from tests.support.emptying import empty_tables
from tests.support.head import empty_head


def forget() -> None:
    """Put right what other tests left behind: no epoch row, cached series, spent budgets."""
    CatalogueEpoch.objects.get_or_create(pk=1)
    write._cache.clear()
    known.clear()
    budget._asked._levels.clear()


@pytest.fixture(scope="module")
def made_once(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """A file that uses this has `people` and `world` made once, and each test's changes to them
    rolled back. No test in it may commit.

    They are committed; nobody is told, as in a test that is rolled back.
    """
    with django_db_blocker.unblock():
        forget()
        with transaction.atomic():
            make_people()
            world = make_world()
            connection.run_on_commit.clear()
    yield world
    with django_db_blocker.unblock():
        empty_tables()
        empty_head()


@pytest.fixture
def people(request: pytest.FixtureRequest, db: None) -> dict[str, User]:
    forget()
    if "made_once" in request.fixturenames:
        return {user.username: user for user in User.objects.all()}
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
def world(request: pytest.FixtureRequest, people: dict[str, User]) -> World:
    if "made_once" in request.fixturenames:
        return request.getfixturevalue("made_once")
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
