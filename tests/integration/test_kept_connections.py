"""A connection that was kept from the last request works, whatever the server did meanwhile."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest
from django.db import connection

from telemetry_site.postgresql.base import DatabaseWrapper
from telemetry_site.prepared import keeping_plans

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kept() -> Iterator[DatabaseWrapper]:
    one = DatabaseWrapper(connection.settings_dict, connection.alias)
    one.connect()
    yield one
    one.close()


def end(kept: DatabaseWrapper) -> int:
    """As a restart of the server does; comes back when the server has said so."""
    pid: int = kept.connection.info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        assert cursor.fetchone() == (True,)
    return pid


def backend(one: DatabaseWrapper) -> int:
    with one.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return int(pid)


def next_request(one: DatabaseWrapper) -> None:
    """As Django's signals at a request's end and at the next one's beginning."""
    one.close_if_unusable_or_obsolete()


def test_one_that_works_is_kept(kept: DatabaseWrapper) -> None:
    before = backend(kept)
    next_request(kept)
    assert kept.is_usable()
    assert backend(kept) == before


def test_one_that_works_is_not_asked(kept: DatabaseWrapper) -> None:
    kept.connection.execute("SELECT 'the last'")
    assert kept.is_usable()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT query FROM pg_stat_activity WHERE pid = %s", [kept.connection.info.backend_pid]
        )
        assert cursor.fetchone() == ("SELECT 'the last'",)


def test_after_a_restart_nothing_is_seen_of_it(kept: DatabaseWrapper) -> None:
    before = end(kept)
    next_request(kept)
    assert not kept.is_usable()
    assert backend(kept) != before


def test_one_that_was_closed_here(kept: DatabaseWrapper) -> None:
    kept.connection.close()
    assert not kept.is_usable()


def test_none_yet() -> None:
    assert not DatabaseWrapper(connection.settings_dict, connection.alias).is_usable()


def test_one_with_something_to_read_that_works(kept: DatabaseWrapper) -> None:
    kept.connection.execute("LISTEN kept")
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY kept")
    assert select.select([kept.connection], [], [], 30)[0]
    assert kept.is_usable()
    assert backend(kept) == kept.connection.info.backend_pid


def test_plans_are_kept_by_one_that_works() -> None:
    """The first of a request may be a statement whose plan is kept."""
    connection.ensure_connection()
    other = DatabaseWrapper(connection.settings_dict, connection.alias)
    with other.cursor() as cursor:
        pid = connection.connection.info.backend_pid
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    other.close()
    next_request(connection)  # type: ignore[arg-type]
    with keeping_plans() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() != (pid,)
