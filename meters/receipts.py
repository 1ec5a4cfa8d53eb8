"""Receipts: the collector's word to an agent that the database has its batches (rule A4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import structlog

from meters import metrics, wire
from telemetry_site.celery import app
from telemetry_site.queues import broker_errors, receipt_queue

log = structlog.get_logger(__name__)


def publish_receipts(receipts: Iterable[tuple[str, wire.Receipt]]) -> None:
    """One message an agent. A failure is counted and no more: the agent publishes again, and the
    second receipt reaches it."""
    by_agent: dict[str, list[wire.Receipt]] = defaultdict(list)
    for agent_id, receipt in receipts:
        if agent_id and receipt.batch_id:
            by_agent[agent_id].append(receipt)
    for agent_id, own in by_agent.items():
        try:
            _publish(agent_id, own)
        except broker_errors() as error:
            metrics.RECEIPT_ERRORS.inc()
            log.warning("receipts not sent", agent=agent_id, batches=len(own), error=str(error))


def _publish(agent_id: str, receipts: list[wire.Receipt]) -> None:
    queue = receipt_queue(agent_id)
    with app.producer_pool.acquire(block=True, timeout=5) as producer:
        producer.publish(
            wire.encode(wire.Receipts(wire.VERSION, receipts)),
            exchange="",
            routing_key=queue.name,
            declare=[queue],
            content_type="application/x-msgpack",
            content_encoding="binary",
            delivery_mode=2,
            retry=False,
        )
