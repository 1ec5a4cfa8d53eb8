"""/-/healthy, /-/ready and /metrics of the web process (the other roles: `listener`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.core.signals import got_request_exception, request_finished
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from telemetry_site import paths
from telemetry_site.durability import first_line
from telemetry_site.listener import exposition
from telemetry_site.status import reporter

log = structlog.get_logger(__name__)

REMEMBER_S = 2.0
DATABASE_MS = 1000
LOOPBACK = ("127.0.0.1", "::1", "")  # "" = a unix socket


@require_safe
def healthy(request: HttpRequest) -> HttpResponse:
    """200 while the process lives; looks at nothing else, so that no outage restarts it."""
    return _text(200, "healthy")


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when requests can be served, else 503 and the reason in words."""
    reason = readiness.reason()
    return _text(503 if reason else 200, reason or "ready")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Only for this machine: through a proxy (X-Forwarded-For) it would be for everyone."""
    if request.META.get("REMOTE_ADDR", "") not in LOOPBACK or _forwarded(request):
        return _text(403, "/metrics is for this machine only; ask the address of the process")
    body, content_type = exposition()
    return HttpResponse(body, content_type=content_type)


def _forwarded(request: HttpRequest) -> bool:
    return "X-Forwarded-For" in request.headers or "Forwarded" in request.headers


def _text(code: int, text: str) -> HttpResponse:
    response = HttpResponse(f"{text}\n", status=code, content_type="text/plain; charset=utf-8")
    if code == 503:
        response["Retry-After"] = "5"
    return response


class Remembered:
    """What `ask` says, for 2 s: one thread asks, the others wait for its answer. So nobody keeps
    the database busy by asking how it is."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asked_at = -REMEMBER_S
        self._answer = ""

    def __call__(self) -> str:
        with self._lock:
            if time.monotonic() - self._asked_at >= REMEMBER_S:
                self._answer = self._ask()
                self._asked_at = time.monotonic()
            return self._answer


class Readiness:
    """Draining? Database there? Migrations applied?"""

    def __init__(self) -> None:
        self._database = Remembered(self._ask)
        self._migrated = False

    def reason(self) -> str:
        """ "" when ready."""
        if (paths.run_dir() / "web.draining").exists():
            return "draining"
        return self._database()

    def _ask(self) -> str:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {DATABASE_MS}")
                cursor.execute("SELECT 1")
            self._migrated = self._migrated or not unapplied_migrations()
        except (DatabaseError, InterfaceError) as error:
            return f"the database gives no answer: {first_line(error)}"
        return "" if self._migrated else "migrations are not applied"


def unapplied_migrations() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


readiness = Readiness()


def _count_request(**_: Any) -> None:
    reporter.done()


def _count_failure(request: HttpRequest | None = None, **_: Any) -> None:
    reporter.failed(f"{request.method} {request.path}" if request else "request")


request_finished.connect(_count_request)
got_request_exception.connect(_count_failure)
