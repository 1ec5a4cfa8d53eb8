"""One target's work, in a thread of its own: take the oldest batch, deliver it, remove it.

A target that is away holds up nothing but its own queue: its batch goes back, and is tried again
after a pause that grows. What a target refuses is cut down to the samples and events at fault,
which go to the quarantine; the others are delivered. At least once: killed in between, or where the
broker forgets the acknowledgement, a batch is delivered again, unless this process remembers it.
"""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from meters import wire
from pollers.publishers import metrics
from pollers.publishers.backlog import Backlog, Waiting
from pollers.publishers.errors import Refused, Unreachable
from pollers.publishers.items import Sample, events_of, samples_of
from pollers.publishers.schemes import Sink
from telemetry_site.failpoints import failpoint
from telemetry_site.queues import broker_errors
from telemetry_site.status import reporter

log = structlog.get_logger(__name__)

IDLE_S = 0.2
MEASURE_EVERY_S = 2.0
PAUSES_S = (1.0, 60.0)
#: After so many refusals in a row a target is taken to refuse all of a delivery.
REFUSALS_IN_A_ROW = 8
REMEMBERED = 4096

#: Takes (publisher, samples, events, why, the undecodable payload or nothing).
Refuse = Callable[[str, Sequence[Sample], Sequence[wire.Event], str, bytes], None]


@dataclass
class FeedState:
    """What became of it since the last report, and how it stands. One writer, one reader."""

    delivered: int = 0
    refused: int = 0
    dropped: int = 0
    waiting: int = 0
    #: Why the target takes nothing; empty while it does.
    trouble: str = ""
    away_since: float = 0.0
    refusal: str = ""
    alive_at: float = field(default_factory=time.monotonic)

    def alive(self) -> None:
        self.alive_at = time.monotonic()


class Feed:
    """`step` does one piece of work; `run` is the loop."""

    def __init__(self, name: str, sink: Sink, backlog: Backlog, refuse: Refuse) -> None:
        self.name = name
        self.state = FeedState()
        self._sink = sink
        self._backlog = backlog
        self._refuse = refuse
        self._stopped = threading.Event()
        self._pause = 0.0
        self._is_broker_away = False
        self._is_at_work = False
        self._refusals = 0
        self._lately: OrderedDict[tuple[str, int, int], None] = OrderedDict()

    def stop(self) -> None:
        self._stopped.set()

    def silent_s(self) -> float:
        return time.monotonic() - self.state.alive_at

    def run(self) -> None:
        measure_at = 0.0
        while not self._stopped.is_set():
            self.state.alive()
            if time.monotonic() >= measure_at:
                self.measure()
                measure_at = time.monotonic() + MEASURE_EVERY_S
            if not self.step():
                self._wait(self._pause * random.uniform(0.8, 1.2) or IDLE_S)
        self._sink.close()
        self._backlog.close()

    def step(self) -> bool:
        """Whether a batch was dealt with; else there is none, or target or broker are away."""
        try:
            waiting = self._backlog.oldest()
            if waiting is None:
                self._pause, self._is_broker_away = 0.0, False
                return False
            if not self._handle(waiting):
                self._backlog.give_back()
                return False
            failpoint("publisher.after_delivery")
            self._backlog.done(waiting)
        except broker_errors() as error:
            self._broker_away(error)
            return False
        self._remember(waiting)
        self._pause, self._is_broker_away = 0.0, False
        reporter.done()
        return True

    def measure(self) -> None:
        """How much waits. In the loop's thread: the connection is its own."""
        try:
            self.state.waiting = self._backlog.count()
        except broker_errors() as error:
            self._broker_away(error)
            return
        metrics.WAITING.labels(self.name).set(self.state.waiting)
        if not self._is_at_work:
            log.info("publisher at work", publisher=self.name, waiting=self.state.waiting)
            self._is_at_work = True

    # --- one batch ---------------------------------------------------------------------------

    def _handle(self, waiting: Waiting) -> bool:
        """Whether the batch has come to its end; False where it must be tried again."""
        if _copy_of(waiting.payload) in self._lately:
            metrics.COPIES.labels(self.name).inc()
            return True
        started = time.monotonic()
        try:
            self._deliver(waiting.payload)
        except (Unreachable, OSError) as error:
            self._target_away(str(error) or type(error).__name__)
            return False
        metrics.SECONDS.labels(self.name).observe(time.monotonic() - started)
        return True

    def _deliver(self, payload: bytes) -> None:
        """Raises `Unreachable`. What can't be decoded or encoded is refused as a whole."""
        try:
            batch = wire.decode_batch(payload)
            samples, events = samples_of(batch), events_of(batch)
        except wire.WireError as error:
            self._set_aside([], [], str(error), payload)
            return
        self._send(samples, self._sink.send_samples, "sample", lambda some: (some, []))
        if self._sink.takes_events:
            self._send(events, self._sink.send_events, "event", lambda some: ([], some))

    def _send(
        self, items: Sequence[Any], send: Callable[[Any], None], kind: str,
        sorted_out: Callable[[Any], tuple[Any, Any]],
    ) -> None:  # fmt: skip
        """In pieces; a piece that is refused is halved, down to the items at fault. Those are set
        aside at the end: where the target goes away before, they come again with the others.
        """
        most = self._sink.most
        pieces = [items[start : start + most] for start in range(0, len(items), most)]
        refused: dict[str, list[Any]] = {}
        self._refusals = 0
        while pieces:
            piece = pieces.pop(0)
            self.state.alive()
            why = self._attempt(piece, send)
            if not why:
                self._delivered(len(piece), kind)
            elif len(piece) == 1 or self._refusals >= REFUSALS_IN_A_ROW:
                self._refusals += 1
                refused.setdefault(why, []).extend(piece)
            else:
                half = len(piece) // 2
                pieces[:0] = [piece[:half], piece[half:]]
        for why, some in refused.items():
            self._set_aside(*sorted_out(some), why)

    def _attempt(self, piece: Sequence[Any], send: Callable[[Any], None]) -> str:
        """Why the target refuses it; empty where it has it. Raises `Unreachable`, `OSError`."""
        try:
            send(piece)
        except Refused as error:
            return str(error)
        except (Unreachable, OSError):
            raise
        except Exception as error:  # ours: another try would end alike, and the others wait
            metrics.UNKNOWN_ERRORS.labels(self.name).inc()
            log.exception("a delivery could not be made", publisher=self.name, items=len(piece))
            return f"{type(error).__name__}: {error}"
        return ""

    # --- what became of it -------------------------------------------------------------------

    def _delivered(self, items: int, kind: str) -> None:
        self._refusals = 0
        self.state.delivered += items
        metrics.DELIVERED.labels(self.name, kind).inc(items)
        metrics.UP.labels(self.name).set(1)
        if self.state.trouble:
            away_s = round(time.monotonic() - self.state.away_since)
            log.info("target takes again", publisher=self.name, seconds=away_s)
            self.state.trouble = ""

    def _set_aside(
        self,
        samples: Sequence[Sample],
        events: Sequence[wire.Event],
        why: str,
        payload: bytes = b"",
    ) -> None:
        items = len(samples) + len(events) or 1
        self.state.refused += items
        self.state.refusal = why
        metrics.REFUSED.labels(self.name).inc(items)
        log.warning("target refuses", publisher=self.name, items=items, reason=why)
        reporter.failed(f"{self.name}: {why}")
        self._refuse(self.name, samples, events, why, payload)

    def _target_away(self, why: str) -> None:
        metrics.FAILED.labels(self.name).inc()
        metrics.UP.labels(self.name).set(0)
        self._sink.close()
        if not self.state.trouble:
            self.state.away_since = time.monotonic()
            log.warning("target away, its batches wait", publisher=self.name, reason=why)
        self.state.trouble = why
        self._lengthen_pause()

    def _broker_away(self, error: Exception) -> None:
        if not self._is_broker_away:
            log.warning("broker away", publisher=self.name, error=str(error))
        self._is_broker_away = True
        self._backlog.close()
        self._lengthen_pause()

    def _lengthen_pause(self) -> None:
        least, most = PAUSES_S
        self._pause = min(self._pause * 2 or least, most)

    def _remember(self, waiting: Waiting) -> None:
        self._lately[_copy_of(waiting.payload)] = None
        while len(self._lately) > REMEMBERED:
            self._lately.popitem(last=False)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopped.wait(min(1.0, max(0.0, deadline - time.monotonic()))):
            self.state.alive()
            if time.monotonic() >= deadline:
                return


def _copy_of(payload: bytes) -> tuple[str, int, int]:
    """What tells a copy from another batch that bears its id by mistake."""
    return wire.peek_header(payload)[1], len(payload), zlib.crc32(payload)
