"""Are the running servers as durable as the promises need (reliability.md §2.6)?

Used by `manage.py check --deploy` and by each worker at its start, which refuses to work on a
server that may lose what it has confirmed, unless `TELEMETRY_ALLOW_UNSAFE=1`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kombu.exceptions
import redis
import structlog
from django.conf import settings
from prometheus_client import Gauge

from telemetry_site.celery import app
from telemetry_site.errors import SiteError
from telemetry_site.logs import redact_text
from telemetry_site.queues import answering
from telemetry_site.status import reporter

log = structlog.get_logger(__name__)

UNSAFE = Gauge(
    "telemetry_unsafe_settings", "Durability settings of the servers that are not safe.",
    multiprocess_mode="max",
)  # fmt: skip
POSTGRES_ON = ("fsync", "full_page_writes", "synchronous_commit")
#: Oldest servers that were tried; Valkey tells Redis 7.2 as its compatible version.
OLDEST_REDIS = (6, 2)
OLDEST_RABBITMQ = (3, 10)


class UnreachableError(SiteError):
    """The server cannot be asked now."""


@dataclass(frozen=True)
class Finding:
    """One setting that breaks a promise, and how to set it right."""

    id: str
    text: str
    hint: str


def database_findings() -> list[Finding]:
    """Raises `UnreachableError`. Leaves no connection behind: the caller may fork."""
    from django.db import connection
    from django.db.utils import DatabaseError

    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(POSTGRES_ON)]
            )
            told = dict(cursor.fetchall())
    except DatabaseError as error:
        raise UnreachableError(f"PostgreSQL: {first_line(error)}") from error
    finally:
        connection.close()
    return [
        Finding(
            "telemetry.E001",
            f"PostgreSQL runs with {name} = {told.get(name)}: a crash would lose committed data.",
            f"Set {name} = on in postgresql.conf.",
        )
        for name in POSTGRES_ON
        if told.get(name) != "on"
    ]


def broker_findings() -> list[Finding]:
    """Raises `UnreachableError`."""
    try:
        with answering(app) as connection:
            return _rabbitmq(connection) if settings.BROKER_IS_AMQP else _valkey(connection)
    except (OSError, kombu.exceptions.OperationalError, redis.RedisError) as error:
        raise UnreachableError(f"The broker: {first_line(error)}") from error


def _valkey(connection: Any) -> list[Finding]:
    client = connection.default_channel.client
    wanted = {"appendonly": "yes", "maxmemory-policy": "noeviction", "timeout": "0"}
    found = []
    try:
        told = {name: client.config_get(name).get(name) for name in wanted}
    except redis.ResponseError as error:
        return [
            Finding(
                "telemetry.E003",
                f"Valkey does not tell its settings ({first_line(error)}).",
                "Allow this login the command CONFIG GET.",
            )
        ]
    for name, value in wanted.items():
        if told[name] != value:
            found.append(
                Finding(
                    "telemetry.E002",
                    f"Valkey runs with {name} = {told[name]}: messages may vanish.",
                    f"Set {name} {value} in its configuration.",
                )
            )
    version = str(client.info("server").get("redis_version", "0"))
    return found + _too_old("Valkey or Redis", version, OLDEST_REDIS)


def _rabbitmq(connection: Any) -> list[Finding]:
    found = []
    if not settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("confirm_publish"):
        found.append(
            Finding(
                "telemetry.E004",
                "Messages are published to RabbitMQ without confirms.",
                "Set confirm_publish in CELERY_BROKER_TRANSPORT_OPTIONS.",
            )
        )
    for queue in settings.CELERY_TASK_QUEUES:
        with connection.channel() as channel:
            try:
                queue.bind(channel).declare()
            except connection.channel_errors as error:
                found.append(
                    Finding(
                        "telemetry.E005",
                        f"RabbitMQ's queue {queue.name} is no quorum queue of ours: "
                        f"{first_line(error)}",
                        "Empty and delete the queue; it is declared anew at the next start.",
                    )
                )
    version = str(connection.connection.server_properties.get("version", "0"))
    return found + _too_old("RabbitMQ", version, OLDEST_RABBITMQ)


def _too_old(name: str, version: str, oldest: tuple[int, int]) -> list[Finding]:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers >= oldest:
        return []
    wanted = ".".join(map(str, oldest))
    return [
        Finding(
            "telemetry.E006", f"{name} {version} is older than {wanted}.", "Upgrade the server."
        )
    ]


def first_line(error: BaseException) -> str:
    """An error's text as one line without secrets; its class where it has no text."""
    text = str(error).strip() or type(error).__name__
    return redact_text(text.splitlines()[0])


def refuse_unless_safe(findings: list[Finding] | None = None) -> None:
    """Raise `SystemExit` where the servers are unsafe. Servers that are away are asked later."""
    if findings is None:
        try:
            findings = broker_findings()
        except UnreachableError:
            return
    UNSAFE.set(len(findings))
    for finding in findings:
        log.error("unsafe server", problem=finding.text, remedy=finding.hint)
    if findings and not settings.TELEMETRY_ALLOW_UNSAFE:
        problems = " ".join(finding.text for finding in findings)
        reporter.set(last_error=problems, state="stopped")
        raise SystemExit(f"Refusing to work on unsafe servers. {problems}")


def wait_until_safe(pause: Callable[[float], None] = time.sleep) -> None:
    """Wait for database and broker with back-off, say once for which, then judge them (G2)."""
    findings = []
    for ask in (database_findings, broker_findings):
        findings += _ask_until_answered(ask, pause)
    refuse_unless_safe(findings)


def _ask_until_answered(
    ask: Callable[[], list[Finding]], pause: Callable[[float], None]
) -> list[Finding]:
    delay_s = 0.5
    while True:
        try:
            return ask()
        except UnreachableError as error:
            if delay_s == 0.5:
                log.warning("waiting for a server", reason=str(error))
            reporter.set(waits_for=str(error))
            pause(delay_s)
            delay_s = min(delay_s * 2, 15.0)
