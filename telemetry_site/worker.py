"""What every Celery process of ours does beside its tasks, hooked to Celery's signals.

Logs, status file, health listener, watchdog, and for agents their spool and fallback timer.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from importlib import import_module
from typing import Any

import structlog
from celery import shared_task, signals, states
from celery.platforms import SecurityWarning
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import multiprocess

from telemetry_site import durability, logs, roles
from telemetry_site.garbage import spare_what_is_loaded
from telemetry_site.listener import Listener
from telemetry_site.liveness import Watchdog
from telemetry_site.queues import answering, depths, destination
from telemetry_site.status import reporter

log = structlog.get_logger(__name__)

HEARTBEAT = "telemetry.heartbeat"
#: The running fallback timer of an agent (`pollers.schedule.Fallback`).
_fallbacks: list[Any] = []


@shared_task(name=HEARTBEAT)
def heartbeat() -> None:
    """Nothing: that a worker took it is the news."""


class QueueWork:
    """The watchdog's questions for a Celery worker: its queues, its running tasks."""

    def __init__(self, app: Any, role: roles.Role, queues: list[str]) -> None:
        self.app = app
        self.role = role
        self.queues = queues

    def waiting(self) -> str:
        from celery.worker import state

        if state.active_requests:
            return f"{len(state.active_requests)} running tasks"
        with answering(self.app) as connection:
            for name, count in depths(connection, self.queues).items():
                if count:
                    return f"{count} messages in {name}"
        return ""

    def heartbeat(self) -> None:
        """Into our own queue, so that a consumer that lost its connection shows (row 5)."""
        if not self.role.heartbeat:
            return
        with answering(self.app) as connection:
            for name in self.queues:
                where = destination(self.app.amqp.queues[name])
                self.app.send_task(HEARTBEAT, expires=30, connection=connection, **where)


@signals.setup_logging.connect(weak=False)
def _configure_logs(**_: Any) -> None:
    configure_logs()


def configure_logs() -> None:
    # Celery warns root because of pickle, which is off here (CELERY_ACCEPT_CONTENT).
    warnings.filterwarnings("ignore", category=SecurityWarning)
    logs.configure(
        settings.TELEMETRY_LOG_FORMAT,
        settings.TELEMETRY_LOG_LEVEL,
        colors=True if os.environ.get("FORCE_COLOR") else None,
    )
    structlog.contextvars.bind_contextvars(role=settings.TELEMETRY_ROLE)


def current_role() -> roles.Role | None:
    """None in a process that was started by hand without a role."""
    return roles.ROLES.get(settings.TELEMETRY_ROLE)


def _must_work(handler: Callable[..., None]) -> Callable[..., None]:
    """Celery logs and swallows what a signal's receiver raises; a half-started worker must end."""

    @wraps(handler)
    def receiver(*args: Any, **kwargs: Any) -> None:
        try:
            handler(*args, **kwargs)
        except ImproperlyConfigured as error:  # the text says what to mend
            log.error("the role cannot start", why=str(error))
            reporter.set(state="stopped", last_error=str(error))
            raise SystemExit(1) from error
        except Exception as error:
            log.exception("the role cannot start")
            reporter.set(state="stopped", last_error=f"{type(error).__name__}: {error}")
            raise SystemExit(1) from error

    return receiver


@signals.celeryd_after_setup.connect(weak=False)
@_must_work
def _set_up(instance: Any, **_: Any) -> None:
    """Before the pool forks and before the broker is there.

    An agent polls into its spool from here on, broker or not (rule A2). A process with a database
    waits until both servers answer and refuses to work on unsafe ones.
    """
    role = current_role()
    if role is None:
        return
    reporter.start(role.name, list(instance.app.amqp.queues.consume_from))
    start_listening()
    if role.settings == "server":
        durability.wait_until_safe()
    if role.polls:
        _agent().start()
        _fallbacks.append(import_module(f"pollers.{role.name}.tasks").start_fallback())
    reporter.set(waits_for="the broker")


@signals.worker_ready.connect(weak=False)
@_must_work
def _connected(sender: Any, **_: Any) -> None:
    """The broker answers. Celery logs and swallows exceptions here, but not `SystemExit`."""
    role = current_role()
    if role is None or reporter.status is None:
        return
    if role.settings == "agent":
        durability.refuse_unless_safe()
    Watchdog(role.name, QueueWork(sender.app, role, reporter.status.queues)).start()
    reporter.ready()


@signals.worker_shutting_down.connect(weak=False)
def _drain(**_: Any) -> None:
    reporter.set(state="draining")


@signals.worker_shutdown.connect(weak=False)
def _stopped(**_: Any) -> None:
    role = current_role()
    for fallback in _fallbacks:
        fallback.stop()
    if role is not None and role.polls:
        _agent().stop()
    reporter.stop()


def start_listening() -> Listener:
    """The health listener of a process that has called `reporter.start`."""
    listener = Listener(
        settings.TELEMETRY_HEALTH_LISTEN,
        lambda: "" if reporter.is_ready else getattr(reporter.status, "state", "starting"),
    )
    listener.start()
    reporter.set(health=listener.address)
    reporter.run()
    return listener


def _agent() -> Any:
    """Imported by role: a collector has no spool."""
    return import_module("pollers.agent").current_agent()


@signals.task_prerun.connect(weak=False)
def _bind_task(task_id: str, task: Any, **_: Any) -> None:
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id)


@signals.task_postrun.connect(weak=False)
def _count_task(task: Any, retval: Any, state: str, **_: Any) -> None:
    if state == states.FAILURE:
        reporter.failed(f"{task.name}: {retval!r}")
    else:
        reporter.done()
    structlog.contextvars.unbind_contextvars("task", "task_id")


@signals.worker_process_init.connect(weak=False)
def _begin_as_a_child(**_: Any) -> None:
    """A child must not share the parent's database socket (row 38)."""
    if settings.DATABASES:
        import_module("django.db").connections.close_all()
    spare_what_is_loaded()


@signals.worker_process_shutdown.connect(weak=False)
def _forget_gauges(pid: int, **_: Any) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


class BeatWork:
    """The watchdog's questions for beat, which must publish at least each minute."""

    def __init__(self, service: Any) -> None:
        self.service = service

    def waiting(self) -> str:
        """The schedule, where an entry is due every minute or more often."""
        entries = list((self.service.scheduler._schedule or {}).values())
        often = timedelta(minutes=1)
        if not any(
            getattr(entry.schedule, "run_every", timedelta.max) <= often for entry in entries
        ):
            return ""
        with answering(self.service.app):
            return "the schedule"

    def heartbeat(self) -> None:
        """Beat's own ticks are its heartbeat."""


@signals.beat_init.connect(weak=False)
@_must_work
def _beat_started(sender: Any, **_: Any) -> None:
    reporter.start("beat")
    start_listening()
    Watchdog("beat", BeatWork(sender)).start()
    reporter.ready()


@signals.after_task_publish.connect(weak=False)
def _count_tick(**_: Any) -> None:
    """Beat's work is what it publishes; elsewhere the work is counted where it is done."""
    if settings.TELEMETRY_ROLE == "beat":
        reporter.done()
