"""The pool of the web process: what is taken from it works, whatever the server did meanwhile."""

from __future__ import annotations

import select
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection
from psycopg import Connection

from telemetry_site.postgresql.base import DatabaseWrapper, is_alive

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def driver() -> Iterator[Connection]:
    parameters = connection.get_connection_params()
    with psycopg.connect(**parameters, autocommit=True) as one:
        yield one


def end(driver: Connection) -> None:
    """As a restart of the server does; comes back when the server has said so."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [driver.info.backend_pid])
        assert cursor.fetchone() == (True,)


def test_one_that_works(driver: Connection) -> None:
    assert is_alive(driver)
    assert driver.execute("SELECT 1").fetchone() == (1,)


def test_one_that_the_server_has_ended(driver: Connection) -> None:
    end(driver)
    assert not is_alive(driver)


def test_one_that_was_closed_here(driver: Connection) -> None:
    driver.close()
    assert not is_alive(driver)


def test_one_with_something_to_read_that_works(driver: Connection) -> None:
    driver.execute("LISTEN pool")
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY pool")
    assert select.select([driver], [], [], 30)[0]
    assert is_alive(driver)
    assert driver.execute("SELECT 1").fetchone() == (1,)


@pytest.fixture
def pooled() -> Iterator[DatabaseWrapper]:
    options = connection.settings_dict["OPTIONS"] | {
        "pool": {"min_size": 2, "max_size": 2, "timeout": 30}
    }
    one = DatabaseWrapper(
        connection.settings_dict
        | {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False, "OPTIONS": options},
        "pooled",
    )
    yield one
    one.close()
    one.close_pool()


def test_requests_after_a_restart_see_nothing_of_it(pooled: DatabaseWrapper) -> None:
    """All connections of the pool are dead."""
    before = {one.info.backend_pid: one for one in taken(pooled, 2)}
    for driver in before.values():
        end(driver)
    after = {one.info.backend_pid for one in taken(pooled, 2)}
    assert len(after) == 2
    assert not after & before.keys()


def taken(pooled: DatabaseWrapper, number: int) -> list[Connection]:
    """So many at once, and all given back."""
    found = [pooled.get_new_connection({}) for _ in range(number)]
    for one in found:
        one.execute("SELECT 1")
        pooled.pool.putconn(one)
    return found
