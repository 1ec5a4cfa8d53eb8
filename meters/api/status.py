"""How the installation does, in numbers."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings

from meters.models import Source
from meters.store.quarantine import open_counts
from meters.store.reports import ingest_rates
from telemetry_site import __version__, clock, status
from telemetry_site.celery import app
from telemetry_site.publishing import queue_name
from telemetry_site.queues import answering, broker_errors, depths

log = structlog.get_logger(__name__)

BROKER_WAIT_S = 2


def look(details: bool) -> dict[str, Any]:
    installation = None
    if details:
        installation = {
            "roles": status.read_all(),
            "queues": queue_lengths(),
            "quarantine_open": open_counts(),
            **ingest_rates(),
        }
    return {"version": __version__, "now": clock.now(), "installation": installation}


def queue_lengths() -> list[dict[str, Any]]:
    """Messages that wait in each queue; None where it can't be said."""
    names = [queue.name for queue in settings.CELERY_TASK_QUEUES]
    publishers = Source.objects.filter(kind=Source.PUBLISHER).order_by("name").values_list("name")
    names += [queue_name(name) for (name,) in publishers.distinct()]
    waiting: dict[str, int] = {}
    try:
        with answering(app, BROKER_WAIT_S) as connection:
            waiting = depths(connection, names)
    except broker_errors() as error:
        log.warning("broker away", error=str(error))
    return [{"name": name, "messages": waiting.get(name)} for name in names]
