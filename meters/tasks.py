"""The collector's tasks. Thin: what they do stands in `collector`, `store` and `housekeeping`."""

from __future__ import annotations

from typing import Any

import structlog
from celery import signals
from django.conf import settings

from meters import deadletters
from meters.collector import collect
from meters.deliveries import Delivery
from meters.drain import waiting_messages
from meters.housekeeping import keep_house
from meters.store import retention, surveys
from meters.store.compaction import tend
from telemetry_site.batchmessage import STORE_BATCH
from telemetry_site.celery import app
from telemetry_site.database import left_to_the_next_run
from telemetry_site.queues import broker_errors

log = structlog.get_logger(__name__)


@app.task(name=STORE_BATCH, queue="collector", bind=True)
def store_batch(self: Any, payload: bytes, publication: int = 1) -> None:
    """Store one encoded `wire.Batch`, and with it what else waits in the queue.

    `publication` counts how often the agent has sent it.
    """
    again = publication > 1 or bool((self.request.delivery_info or {}).get("redelivered"))
    with waiting_messages(again) as waiting:
        collect([Delivery(payload, again), *waiting])


@app.task(name="meters.tasks.housekeeping", queue="maintenance")
def housekeeping() -> None:
    """Delete old reports, minutes, attempts and quarantine rows; the next run is the retry."""
    with left_to_the_next_run("housekeeping"):
        log.info("housekeeping", **keep_house())


@app.task(
    name="meters.tasks.compact_store", queue="maintenance", time_limit=3600, soft_time_limit=3500
)
def compact_store() -> None:
    """Move samples on from the head into chunks."""
    with left_to_the_next_run("compaction"):
        tend()


@app.task(
    name="meters.tasks.keep_retention", queue="maintenance", time_limit=3600, soft_time_limit=3500
)
def keep_retention() -> None:
    """Delete chunks past their retention; the next run goes on."""
    with left_to_the_next_run("retention"):
        retention.walk()


@app.task(name="meters.tasks.survey_store", queue="maintenance")
def survey_store() -> None:
    """Count what the store holds, for the storage page and the metrics."""
    with left_to_the_next_run("survey"):
        surveys.keep_surveyed()


@app.task(name="meters.tasks.drain_dead_letters", queue="maintenance")
def drain_dead_letters() -> None:
    """RabbitMQ's dead letters into the quarantine; the next run is the retry."""
    with left_to_the_next_run("dead letters", broker_errors()):
        deadletters.drain()


@signals.worker_ready.connect(weak=False)
def _declare_dead_letters(**_: Any) -> None:
    if settings.TELEMETRY_ROLE == "collector":
        deadletters.declare()
