"""Messages in the collector's queue that are no task of ours: into the quarantine (S15, F28).

Whoever may publish to the queue may publish anything. Nothing is ever unpickled: only JSON and
msgpack are read.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from django.db import connection, transaction
from kombu.exceptions import KombuError

from meters import metrics
from meters.models import Quarantine
from meters.store import quarantine
from telemetry_site.batchmessage import STORE_BATCH
from telemetry_site.database import AWAY

log = structlog.get_logger(__name__)

OUR_PREFIXES = ("meters.tasks.", "telemetry.")


class UnacceptableError(Exception):
    """The message is no task of ours, or not in the form that the task takes."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def check(message: Any) -> None:
    """Raises `UnacceptableError` unless Celery and the task can take the message."""
    headers = message.headers or {}
    name = headers.get("task")
    if not isinstance(name, str) or not name.startswith(OUR_PREFIXES):
        raise UnacceptableError("schema", f"headers.task: {name!r} is no task of the collector")
    try:
        args, kwargs, _ = message.payload
    except KombuError as error:
        raise UnacceptableError("bad_encoding", f"body: {error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise UnacceptableError("schema", f"body: {error}") from error
    if not isinstance(args, list | tuple):
        raise UnacceptableError("schema", f"body: {type(args).__name__} instead of arguments")
    if name == STORE_BATCH and not (
        len(args) in (1, 2) and isinstance(args[0], bytes) and isinstance([*args, 1][1], int)
    ):
        raise UnacceptableError("schema", "body: store_batch takes bytes and a publication number")
    if not isinstance(kwargs, dict):
        raise UnacceptableError("schema", f"body: {type(kwargs).__name__} instead of options")


def set_aside(message: Any, error: UnacceptableError) -> None:
    """Keep the body, then acknowledge; with the database away, give the message back."""
    try:
        _put(message, error)
    except AWAY as away:
        log.warning("database away, message goes back", error=str(away).strip())
        time.sleep(1)
        message.requeue()
        return
    metrics.INGEST_REJECTED.labels(error.reason).inc()
    log.warning("message quarantined", reason=error.reason, detail=str(error))
    message.ack()


def _put(message: Any, error: UnacceptableError) -> None:
    body = message.body
    headers = {
        "content_type": str(message.content_type),
        "task": str((message.headers or {}).get("task"))[:255],
    }
    item = quarantine.Item(
        Quarantine.Form.OTHER,
        error.reason,
        str(error),
        body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogatepass"),
        source="collector queue",
        headers=headers,
    )
    with transaction.atomic(), connection.cursor() as cursor:
        quarantine.put(cursor, item)
