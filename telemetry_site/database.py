"""What every process with a database must tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.postgresql.psycopg_any import get_adapters_template
from django.db.backends.utils import CursorWrapper
from psycopg.abc import Buffer
from psycopg.types.datetime import TimestamptzLoader

if TYPE_CHECKING:
    from psycopg import Copy

log = structlog.get_logger(__name__)

#: A database that is away, or a fault that waiting cures (serialization, deadlock, time-out).
AWAY: tuple[type[Exception], ...] = (OperationalError, InterfaceError)


class _TimeLoader(TimestamptzLoader):
    """As the driver's, by Python's compiled parser where that can: a twentieth of 5 µs."""

    timezone = UTC  # cursors compare it with their connection's

    def load(self, data: Buffer) -> datetime:
        try:
            return datetime.fromisoformat(bytes(data).decode())
        except ValueError:
            return super().load(data).replace(tzinfo=UTC)


def read_times_fast() -> None:
    """For all connections to come."""
    get_adapters_template(True, UTC).register_loader("timestamptz", _TimeLoader)


def database_now() -> datetime:
    """By the one clock for decisions (rule K1)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


@contextmanager
def left_to_the_next_run(work: str, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """For periodic tasks whose next run is the retry: a server that is away costs a line of the
    log. `also` are the errors of further servers.
    """
    try:
        yield
    except AWAY + also as error:
        log.warning(f"{work} left to the next run", error=str(error).strip())


@contextmanager
def copying(cursor: CursorWrapper, statement: str) -> Iterator[Copy]:
    """A COPY whose errors are Django's, as those of all statements: the driver's are not `AWAY`."""
    with cursor.db.wrap_database_errors, cursor.cursor.copy(statement) as copy:
        yield copy
