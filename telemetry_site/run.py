"""Runs one role in this process: its own program (`manage.py role`) or a fork of the nursery."""

from __future__ import annotations

import gc
from importlib import import_module

from django.conf import settings
from django.core.management import call_command

from telemetry_site import roles
from telemetry_site.celery import app
from telemetry_site.roles import Role
from telemetry_site.status import reporter
from telemetry_site.webserver import serve
from telemetry_site.worker import configure_logs, start_listening


def run_role(role: Role) -> None:
    """Returns, or raises `SystemExit`, when the role has ended."""
    configure_logs()
    {"web": serve, "beat": run_beat, "worker": run_worker, "command": run_command}[role.kind](role)


def run_beat(role: Role) -> None:
    """Celery has no signal for the end of beat, hence the `finally`."""
    try:
        app.Beat(hostname=node_name(role), quiet=True, loglevel=settings.TELEMETRY_LOG_LEVEL).run()
    finally:
        reporter.stop()


def run_worker(role: Role) -> None:
    """Settings of reliability.md §2.6, "worker command line"."""
    worker = app.Worker(
        hostname=node_name(role),
        pool_cls=role.pool,
        concurrency=role.concurrency,
        queues=role.queues.format(host=settings.TELEMETRY_HOST),
        loglevel=settings.TELEMETRY_LOG_LEVEL,
        optimization="fair",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    worker.start()
    raise SystemExit(worker.exitcode)


def node_name(role: Role) -> str:
    """Different for each process of a role: its queue for remote control is its alone."""
    return f"{roles.instance(role.name)}@{settings.TELEMETRY_HOST}"


def run_command(role: Role) -> None:
    """A process of its own kind: it has no Celery signals, so the hooks are set here."""
    reporter.start(role.name)
    start_listening()
    reporter.ready()
    try:
        call_command(role.command)
    finally:
        reporter.stop()


def preload(kind: str) -> None:
    """Load what the roles of these settings need, and open nothing: no connection, no thread."""
    modules = ["celery.apps.worker", "celery.worker.consumer", "celery.worker.components"]
    modules.append("kombu.transport.pyamqp" if settings.BROKER_IS_AMQP else "kombu.transport.redis")
    modules += [
        "celery.concurrency.prefork",
        "celery.concurrency.thread",
        "celery.worker.autoscale",
    ]
    if kind == "server":
        modules += ["celery.apps.beat", "django_celery_beat.schedulers", settings.ROOT_URLCONF]
        modules += ["django.core.wsgi", "gunicorn.workers.gthread", "telemetry_site.prepare"]
    for name in modules:
        import_module(name)
    app.loader.import_default_modules()
    app.finalize()
    gc.collect()
    gc.freeze()  # what is loaded stays shared: a collection would write into each page


def adopt(role: Role) -> None:
    """In a fork of the nursery: become the role, as its own program would from the start."""
    roles.adopt(role.name)
    settings.TELEMETRY_ROLE = role.name
