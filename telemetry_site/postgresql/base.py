"""`ENGINE` of Django's `DATABASES`: Django looks for this module and this class in it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

from telemetry_site.sockets import is_readable


class DatabaseWrapper(base.DatabaseWrapper):
    """Connections of the pool are looked at each time they are taken, without a round trip.

    The pool's own check asks the server each time: a tenth of a short request.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection[Any]:
        """Raises `PoolTimeout` where the pool gives none that works."""
        connection: Connection[Any] = super().get_new_connection(conn_params)
        while self.pool and not is_alive(connection):
            connection.close()
            self.pool.putconn(connection)  # the pool makes another one in its place
            connection = super().get_new_connection(conn_params)
        return connection


def is_alive(connection: Connection[Any]) -> bool:
    """Whether an idle connection may be used: a server that goes away, or ends it, says so, and
    that lies there to be read. Then only it is asked.
    """
    with suppress(psycopg.Error, OSError):
        if is_readable(connection.fileno()):
            ConnectionPool.check_connection(connection)
        return True
    return False
