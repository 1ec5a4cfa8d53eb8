"""gunicorn, set up in code (settings of reliability.md row 50)."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path
from typing import Any

import structlog
from celery import platforms
from django.conf import settings
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker
from prometheus_client import multiprocess

from telemetry_site import paths, trust
from telemetry_site.errors import SiteError
from telemetry_site.garbage import spare_what_is_loaded
from telemetry_site.roles import Role
from telemetry_site.sockets import is_readable
from telemetry_site.status import reporter

log = structlog.get_logger(__name__)

#: So long a thread waits for the next request: a client in the same network asks sooner.
LINGER_MS = 1
#: So much time the processes that are idle have to accept a connection first.
STAND_BACK_S = 0.0005


def draining_file() -> Path:
    """While this file exists, /-/ready answers 503. An operator may make it, too."""
    return paths.run_dir() / "web.draining"


class _Logger(Logger):  # type: ignore[misc]
    """gunicorn's words go the way of all our logs."""

    def setup(self, cfg: Any) -> None:
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self._access_log_enabled = False


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """One of the processes that answer, with two habits of its own.

    A thread that has answered waits for the next request of the same connection, if nobody waits
    for a thread: programs ask again at once, and the way over the main loop takes two changes of
    threads, a tenth of a short answer. And a process that is busy leaves new connections to one
    that is not: threads of one process run one at a time.
    """

    def init_process(self) -> None:
        self.busy: set[TConn] = set()
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        if self.busy:
            time.sleep(STAND_BACK_S)
        super().accept(listener)  # where another one was quicker there is nothing to accept

    def enqueue_req(self, conn: TConn) -> None:
        self.busy.add(conn)
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        try:
            kept = super().handle(conn)
            while kept is True and self.alive and not self.tpool._work_queue.qsize():
                if not is_readable(conn.sock.fileno(), LINGER_MS):
                    break
                kept = super().handle(conn)
            return kept
        finally:
            self.busy.discard(conn)


class _Arbiter(Arbiter):  # type: ignore[misc]
    def handle_term(self) -> None:
        """Rule G1: first no longer ready, then wait for the balancer to see it, then stop."""
        draining_file().touch()
        reporter.set(state="draining")
        time.sleep(settings.WEB_DRAIN_SECONDS)
        super().handle_term()


class _Application(BaseApplication):  # type: ignore[misc]
    def load_config(self) -> None:
        options = {
            "bind": f"{settings.WEB_BIND}:{settings.PORT}",
            "worker_class": WebWorker,
            "workers": settings.WEB_WORKERS,
            "threads": settings.WEB_THREADS,
            "timeout": 60,  # above the statement timeout of 30 s
            "graceful_timeout": 30,
            "keepalive": 5,
            "max_requests": 0,
            "preload_app": False,
            "control_socket_disable": True,
            "header_map": "drop",  # X_Roles is not X-Roles (S35)
            "logger_class": _Logger,
            "proc_name": "telemetry-web",
            "when_ready": _when_ready,
            "post_fork": _post_fork,
            "post_worker_init": _worker_ready,
            "child_exit": _child_exit,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from telemetry_site.wsgi import application

        return application

    def run(self) -> None:
        _Arbiter(self).run()


def _when_ready(_server: Any) -> None:
    reporter.run()


def _post_fork(_server: Any, _worker: Any) -> None:
    platforms.set_pdeathsig("SIGKILL")


def _worker_ready(_worker: Any) -> None:
    """In the worker, once the application is loaded."""
    spare_what_is_loaded()
    reporter.announce("ready")


def _child_exit(_server: Any, worker: Any) -> None:
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def serve(_role: Role) -> None:
    if settings.SECRET_KEY == settings.NO_SECRET_KEY:
        raise SiteError(
            f"There is no secret key: set SECRET_KEY, or let `manage.py up` make "
            f"{settings.TELEMETRY_HOME / 'secret_key'}."
        )
    for warning in trust.warnings():
        log.warning(warning)
    draining_file().unlink(missing_ok=True)
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise warns without it
    reporter.start("web")
    host = "127.0.0.1" if settings.WEB_BIND in ("0.0.0.0", "[::]") else settings.WEB_BIND
    reporter.set(health=f"http://{host}:{settings.PORT}", waits_for="the application")
    try:
        _Application().run()
    finally:
        reporter.stop()
