"""The run-time of an agent: spool, publish, wait for the receipt, delete (rules A1–A9).

Every agent of this house hands its batches in here; `submit` and `submit_raw` return when the
spool's fsync is done, everything else happens in two threads (sender, receipts).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import cache

import structlog
from django.conf import settings

from meters import wire
from pollers import metrics
from pollers.inflight import MAX_INFLIGHT, InFlight
from pollers.publish import HANDLE_NOTIFICATIONS, STORE_BATCH, Publisher, PublishError
from pollers.receipts import ReceiptConsumer
from pollers.spool import DamagedFileError, Dropped, Entry, Limits, Spool, SpoolFullError
from telemetry_site import paths
from telemetry_site.clock import now_us
from telemetry_site.failpoints import failpoint

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 10.0
EXPIRE_EVERY_S = 60.0


class Agent:
    """Takes batches, keeps them on disk until the collector's receipt, publishes them."""

    def __init__(self, agent_id: str, limits: Limits | None = None) -> None:
        self.agent_id = agent_id
        self.spool = Spool(paths.spool_dir(agent_id), limits, self._note_drop)
        self._flights = InFlight(settings.TELEMETRY_RECEIPT_TIMEOUT)
        self._publisher = Publisher()
        self._changed = threading.Condition()
        self._stopping = False
        self._dropped: list[Dropped] = []
        self._listeners: list[Callable[[wire.Receipt], None]] = []
        self._sender = threading.Thread(target=self._run, name="sender", daemon=True)
        self._receipts = ReceiptConsumer(agent_id, self._on_receipts)

    def start(self) -> None:
        """Publish what an earlier process left in the spool, and from now on what is submitted."""
        if len(self.spool):
            log.info("spool taken over", batches=len(self.spool), bytes=self.spool.bytes)
        self._receipts.start()
        self._sender.start()

    def stop(self) -> None:
        """Stop both threads. What has no receipt stays in the spool for the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._sender.join(STOP_WITHIN_S)
        self._receipts.stop()
        self._publisher.close()

    def submit(self, batches: Iterable[wire.Batch]) -> None:
        """Spool each batch. Where the disk can't be written, the loss is counted and told."""
        for batch in batches:
            first, last = _time_span(batch)
            items = _count_items(batch)
            try:
                self.spool.put(
                    batch.batch_id, wire.encode(batch), created=batch.created_at, items=items,
                    first=first, last=last,
                )  # fmt: skip
            except SpoolFullError as error:
                log.error("batch lost: the spool can't be written", error=str(error), items=items)
                metrics.SPOOL_DROPPED.labels("disk").inc(items)
                self._note_drop(Dropped(items, first, last, "disk"))
        self._wake()

    def submit_raw(self, raw: wire.RawBatch) -> None:
        """Spool undecoded messages of a bus; after this they may be acknowledged there.

        Raises `SpoolFullError`: then they must not be.
        """
        self.spool.put(
            raw.batch_id, wire.encode(raw), created=raw.created_at, items=len(raw.messages),
            kind="raw",
        )  # fmt: skip
        self._wake()

    def on_receipt(self, listener: Callable[[wire.Receipt], None]) -> None:
        """Call `listener` with each receipt that arrives (in the receipts' thread)."""
        self._listeners.append(listener)

    @property
    def broker_away(self) -> bool:
        return self._flights.broker_away

    # --- the sender's thread -----------------------------------------------------------------

    def _run(self) -> None:
        expire_at = 0.0
        while not self._stopping:
            if time.monotonic() >= expire_at:
                self.spool.expire(now_us())
                expire_at = time.monotonic() + EXPIRE_EVERY_S
            entry = self._next()
            if entry is not None:
                self._publish(entry)
            self._measure()

    def _next(self) -> Entry | None:
        """The next batch to publish; waits where there is none."""
        with self._changed:
            now = time.monotonic()
            batch_id = self._flights.next_batch(self.spool.oldest(MAX_INFLIGHT + 1), now)
            if batch_id is not None:
                entry = self.spool.get(batch_id)
                if entry is None:  # dropped meanwhile by the spool's limits
                    self._flights.forget(batch_id)
                return entry
            if not self._stopping:
                wake = self._flights.wake_at(now, len(self.spool))
                self._changed.wait(min(max(wake - now, 0.05), 5.0))
            return None

    def _publish(self, entry: Entry) -> None:
        try:
            body = self.spool.read(entry)
        except DamagedFileError:
            self._flights.forget(entry.batch_id)
            return
        number = self._flights.next_publication(entry.batch_id)
        was_away = self._flights.broker_away
        try:
            self._send(entry, body, number)
        except PublishError as error:
            with self._changed:
                self._flights.failed(time.monotonic())
            if not was_away:
                log.warning("broker away, batches stay in the spool", error=str(error))
            return
        failpoint("agent.after_publish")
        with self._changed:
            if self.spool.get(entry.batch_id) is not None:
                self._flights.published(entry.batch_id, time.monotonic())
        (metrics.PUBLISHED if number == 1 else metrics.REPUBLISHED).inc()
        if was_away:
            log.info("broker is back", batches_waiting=len(self.spool))
        self._tell_drops()

    def _send(self, entry: Entry, body: bytes, number: int) -> None:
        if entry.kind == "raw":
            queue = settings.NOTIFICATION_QUEUE
            self._publisher.publish(HANDLE_NOTIFICATIONS, queue, body, number)
        else:
            self._publisher.publish(STORE_BATCH, settings.COLLECTOR_QUEUE, body, number)

    # --- receipts ----------------------------------------------------------------------------

    def _on_receipts(self, receipts: list[wire.Receipt]) -> None:
        failpoint("agent.after_receipt")
        for receipt in receipts:
            self.spool.delete(receipt.batch_id)
            with self._changed:
                delay = self._flights.receipted(receipt.batch_id, time.monotonic())
            metrics.RECEIPTS.labels(receipt.status).inc()
            if delay is not None:
                metrics.RECEIPT_DELAY.observe(delay)
            if receipt.rejected or receipt.status == "quarantined":
                log.warning(
                    "collector rejected items", batch=receipt.batch_id, status=receipt.status,
                    rejected=receipt.rejected,
                )  # fmt: skip
            for listener in self._listeners:
                listener(receipt)
        self._wake()

    # --- small things ------------------------------------------------------------------------

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _note_drop(self, dropped: Dropped) -> None:
        self._dropped.append(dropped)

    def _tell_drops(self) -> None:
        """Rule A6: what was dropped becomes an event, once the broker takes messages again."""
        if not self._dropped:
            return
        dropped, self._dropped = self._dropped, []
        self.submit([_drop_batch(self.agent_id, dropped)])

    def _measure(self) -> None:
        metrics.SPOOL_FILES.set(len(self.spool))
        metrics.SPOOL_BYTES.set(self.spool.bytes)
        metrics.INFLIGHT.set(len(self._flights))
        made = self.spool.oldest_created()
        metrics.SPOOL_OLDEST.set((now_us() - made) / 1e6 if made else 0)


def _time_span(batch: wire.Batch) -> tuple[int, int]:
    """(first, last) sample time in microseconds; (0, 0) without samples."""
    if batch.samples is None or not batch.samples.timestamp:
        return 0, 0
    times = wire.decode_columns(batch.samples).timestamp
    return int(times.min()), int(times.max())


def _count_items(batch: wire.Batch) -> int:
    samples = len(batch.samples.index) // 4 if batch.samples else 0
    events = len(batch.events.events) if batch.events else 0
    return samples + events + len(batch.rejects)


def _drop_batch(agent_id: str, dropped: list[Dropped]) -> wire.Batch:
    """One event that says what was lost, from when to when, and why."""
    now = now_us()
    traits = [
        wire.Trait("agent_id", "text", agent_id),
        wire.Trait("items", "int", sum(drop.items for drop in dropped)),
        wire.Trait("reason", "text", ", ".join(sorted({drop.reason for drop in dropped}))),
    ]
    times = [time for drop in dropped for time in (drop.first, drop.last) if time]
    if times:
        traits.append(wire.Trait("first", "datetime", min(times)))
        traits.append(wire.Trait("last", "datetime", max(times)))
    event = wire.Event(wire.new_batch_id(), "telemetry.spool.dropped", now, traits)
    return wire.Batch(
        v=wire.VERSION,
        batch_id=wire.new_batch_id(),
        agent_id=agent_id,
        created_at=now,
        events=wire.EventBatch([event]),
    )


def agent_id() -> str:
    """`<role>.<host>` unless `TELEMETRY_AGENT_ID` names it."""
    return settings.TELEMETRY_AGENT_ID or f"{settings.TELEMETRY_ROLE}.{settings.TELEMETRY_HOST}"


@cache
def current_agent() -> Agent:
    """The agent of this process. Notifications are never dropped: they wait at their bus."""
    drop_oldest = settings.TELEMETRY_ROLE != "notification"
    return Agent(agent_id(), Limits(drop_oldest=drop_oldest))
