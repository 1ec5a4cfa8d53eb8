"""`ENGINE` of Django's `DATABASES`: Django looks for this module and this class in it."""

from __future__ import annotations

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from telemetry_site.sockets import is_readable


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection is looked at before its first use in a request or a task, without a round trip.

    Django's own check asks the server each time: a tenth of a short request.
    """

    def is_usable(self) -> bool:
        """A server that goes away, or ends the connection, says so, and that lies there to be
        read. Then only it is asked, or in the midst of a transaction.
        """
        if self.connection is None or self.connection.closed:
            return False
        driver = self.connection.pgconn
        is_idle = driver.transaction_status == TransactionStatus.IDLE
        return (is_idle and not is_readable(driver.socket)) or super().is_usable()
