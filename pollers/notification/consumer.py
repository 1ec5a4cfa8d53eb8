"""The notification consumer: takes messages from the buses of a cloud and spools them undecoded.

Per bus one thread, which does this and nothing else, so that heartbeats are never missed:

1. take messages, gather them (≤ 500, ≤ 256 KiB, ≤ 200 ms);
2. spool the group (`Agent.submit_raw` returns after the fsync);
3. only then acknowledge its messages to their bus.

Killed at any point, messages come back from the bus or go on from the spool; the second way of a
message is harmless, its `message_id` is known. A full spool stops the taking: the bus keeps them.
No database here, and no conversion: that is the notification workers' task.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from kombu import Consumer, Queue
from kombu.exceptions import OperationalError
from kombu.mixins import ConsumerMixin
from kombu.transport.pyamqp import Message

from meters import wire
from pollers.agent import Agent
from pollers.notification import metrics
from pollers.notification.bus import Bus, declare
from pollers.notification.group import Gathering, Group, raw_message
from pollers.notification.state import BusState
from pollers.spool import SpoolFullError
from telemetry_site.clock import now_us
from telemetry_site.failpoints import failpoint

log = structlog.get_logger(__name__)

IDLE_S = 0.05
LONGEST_PAUSE_S = 30.0
#: A connection that lasted this long was a good one: the next loss starts with a short pause.
GOOD_AFTER_S = 30.0
DEPTH_EVERY_S = 15.0


class _StoppingError(Exception):
    """Asked to stop while waiting for a bus."""


class UnopenedMessage(Message):  # type: ignore[misc]
    """A message that is left as it came: kombu inflates bodies at once and without a limit."""

    def __init__(self, msg: Any, channel: Any = None, **kwargs: Any) -> None:
        headers = msg.properties.pop("application_headers", None) or {}
        super().__init__(msg, channel=channel, **kwargs)
        self.headers = headers


class BusConsumer(ConsumerMixin):  # type: ignore[misc]
    """Consumes one bus until `stop()`; reconnects for ever."""

    def __init__(self, bus: Bus, agent: Agent, prefetch: int) -> None:
        self.bus = bus
        self.state = BusState(bus.name)
        self.connection = bus.connection()
        self._agent = agent
        self._prefetch = prefetch
        self._gathering = Gathering()
        self._stopped = threading.Event()
        self._pause = 1.0
        self._resume_at = 0.0
        self._consumer: Any = None
        self._depth_at = 0.0
        self._channel: Any = None
        self._queues: list[Queue] = []

    @property
    def name(self) -> str:
        return self.bus.name

    def silent_s(self) -> float:
        return self.state.silent_s()

    def stop(self) -> None:
        self.should_stop = True
        self._stopped.set()

    # --- the thread --------------------------------------------------------------------------

    def run(self) -> None:
        """Consume, and after a loss connect again with a growing pause."""
        broken = (
            OperationalError,
            *self.connection.connection_errors,
            *self.connection.channel_errors,
        )
        pause = 1.0
        while not self.should_stop:
            started = time.monotonic()
            try:
                for _ in self.consume(limit=None, safety_interval=IDLE_S):
                    pass
            except broken as error:
                self._lost(error)
                pause = 1.0 if time.monotonic() - started > GOOD_AFTER_S else min(pause * 2, 30.0)
                self._stopped.wait(pause)
            except _StoppingError:
                return

    @contextmanager
    def establish_connection(self) -> Iterator[Any]:
        with self.create_connection() as connection:
            connection.ensure_connection(
                self.on_connection_error,
                interval_start=1,
                interval_max=30,
                callback=self._check_stop,
            )
            yield connection

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        self._lost(exc)

    def _check_stop(self) -> None:
        self.state.alive()
        if self.should_stop:
            raise _StoppingError

    def _lost(self, error: Exception) -> None:
        metrics.BUS_UP.labels(self.bus.name).set(0)
        if self.state.lost(str(error) or type(error).__name__):
            log.warning("notification bus away", bus=self.bus.name, error=str(error))

    # --- taking ------------------------------------------------------------------------------

    def get_consumers(self, consumer: type[Consumer], channel: Any) -> list[Consumer]:
        """What was taken on an earlier connection comes again on this one."""
        self._gathering.clear()
        self._resume_at = 0.0
        self._queues, said = declare(channel.connection.client, self.bus.layout)
        channel.auto_decode = False
        channel.Message = UnopenedMessage
        self._channel = channel
        self._consumer = consumer(
            self._queues,
            on_message=self._take,
            auto_declare=False,
            prefetch_count=self._prefetch,
        )
        metrics.BUS_UP.labels(self.bus.name).set(1)
        if self.state.connected(said):
            log.info("notification bus connected", bus=self.bus.name, differs=said)
        return [self._consumer]

    def _take(self, message: Any) -> None:
        self._gathering.add(raw_message(message), message, time.monotonic())

    def on_iteration(self) -> None:
        now = time.monotonic()
        self.state.alive()
        if now >= self._resume_at:
            self._spool_due(now)
        if now >= self._depth_at:
            self._depth_at = now + DEPTH_EVERY_S
            self._measure_depth()

    def on_consume_end(self, connection: Any, channel: Any) -> None:
        """Stopping: what was taken is spooled, too."""
        self._spool_due(float("inf"))

    # --- spooling ----------------------------------------------------------------------------

    def _spool_due(self, now: float) -> None:
        try:
            for group in self._gathering.due(now):
                self._spool(group)
        except SpoolFullError as error:
            self._wait_for_room(now, str(error))
        else:
            self._go_on()

    def _spool(self, group: Group) -> None:
        """Order matters: fsync first, then the acknowledgement of all messages up to the last."""
        failpoint("agent.after_take")
        self._agent.submit_raw(
            wire.RawBatch(
                v=wire.VERSION,
                batch_id=wire.new_batch_id(),
                agent_id=self._agent.agent_id,
                created_at=now_us(),
                source=self.bus.name,
                messages=group.messages,
            )
        )
        group.last.ack(multiple=True)
        self.state.took(group.messages)
        metrics.BUS_MESSAGES.labels(self.bus.name).inc(len(group.messages))

    def _wait_for_room(self, now: float, why: str) -> None:
        """Stop taking; what is at hand stays unacknowledged and is tried again later."""
        self._resume_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
        if self.state.full(why):
            log.warning("spool full, no more is taken", bus=self.bus.name, reason=why)
            self._consumer.cancel()

    def _go_on(self) -> None:
        self._pause = 1.0
        if self.state.has_room() and not self.should_stop:
            log.info("spool has room again", bus=self.bus.name)
            self._consumer.consume()

    def _measure_depth(self) -> None:
        waiting, consumers = {}, {}
        for queue in self._queues:
            found = queue.queue_declare(passive=True, channel=self._channel)
            waiting[queue.name] = found.message_count
            consumers[queue.name] = found.consumer_count
            metrics.BUS_QUEUE_DEPTH.labels(self.bus.name, queue.name).set(found.message_count)
        if self.state.measured(waiting, consumers):
            # Our other agents share by meaning to; anybody else takes messages from us.
            log.info("consumers of a bus", bus=self.bus.name, consumers=consumers)
