"""This process's broker, for a while another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from telemetry_site.celery import app


@contextmanager
def house_on(url: str, settings: Any) -> Iterator[None]:
    """Celery's application and our settings on a RabbitMQ, in this process; then as they were."""
    before = app.conf.broker_url, app.conf.broker_transport_options
    settings.BROKER_IS_AMQP, settings.BROKER_URL = True, url
    app.conf.broker_transport_options = {"confirm_publish": True}
    _move(url)
    try:
        yield
    finally:
        app.conf.broker_transport_options = before[1]
        _move(before[0])


def _move(url: str) -> None:
    """The application's pools are kept by their URL; it holds those of the other broker."""
    app.conf.broker_url = app.conf.broker_read_url = app.conf.broker_write_url = url
    app._after_fork()
