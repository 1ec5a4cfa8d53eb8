"""What every process with a database must tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import InterfaceError, OperationalError

log = structlog.get_logger(__name__)

#: A database that is away, or a fault that waiting cures (serialization, deadlock, time-out).
AWAY: tuple[type[Exception], ...] = (OperationalError, InterfaceError)


@contextmanager
def left_to_the_next_run(work: str, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """For periodic tasks whose next run is the retry: a server that is away costs a line of the
    log. `also` are the errors of further servers.
    """
    try:
        yield
    except AWAY + also as error:
        log.warning(f"{work} left to the next run", error=str(error).strip())
