"""Which batch is to be published when: a plain book, no threads, no clock (rules A4, A7, A8)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MAX_INFLIGHT = 64
LONGEST_WAIT_S = 900.0
BROKER_WAIT_S = (1.0, 30.0)


@dataclass
class _Flight:
    """A batch that was published. Times are `time.monotonic()` seconds."""

    publications: int
    first: float
    due: float


class InFlight:
    """Publications without a receipt, and when each is to be repeated.

    `receipt_timeout_s` doubles from one publication of a batch to the next, up to 15 minutes,
    each with ± 20 % of jitter. After a failed publication nothing is due until a pause has passed
    that doubles from 1 to 30 s: one probe, not one a batch.
    """

    def __init__(
        self, receipt_timeout_s: float = 60.0, jitter: Callable[[], float] | None = None
    ) -> None:
        self.receipt_timeout_s = receipt_timeout_s
        self._jitter = jitter or (lambda: random.uniform(0.8, 1.2))
        self._flights: dict[str, _Flight] = {}
        self._pause = 0.0
        self._not_before = 0.0

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def broker_away(self) -> bool:
        return self._pause > 0

    def next_batch(self, oldest: Iterable[str], now: float) -> str | None:
        """The batch to publish now: a repetition that is due, else one never published.

        `oldest` are ids of the spool, oldest first; `MAX_INFLIGHT` + 1 of them suffice.
        """
        if now < self._not_before:
            return None
        due = min(self._flights.items(), key=lambda one: one[1].due, default=None)
        if due is not None and due[1].due <= now:
            return due[0]
        if len(self._flights) >= MAX_INFLIGHT:
            return None
        return next((batch_id for batch_id in oldest if batch_id not in self._flights), None)

    def next_publication(self, batch_id: str) -> int:
        """The number that the next publication of the batch has; the first is 1."""
        flight = self._flights.get(batch_id)
        return flight.publications + 1 if flight else 1

    def wake_at(self, now: float, waiting: int) -> float:
        """When to look again, if nothing else happens: in a second at the latest while the
        broker is away or there is room for one that waits."""
        dues = [flight.due for flight in self._flights.values()]
        if waiting > len(self._flights) and len(self._flights) < MAX_INFLIGHT:
            dues.append(now)
        return max(min(dues, default=now + 60.0), self._not_before)

    def published(self, batch_id: str, now: float) -> None:
        flight = self._flights.get(batch_id)
        publications = flight.publications + 1 if flight else 1
        wait = min(self.receipt_timeout_s * 2 ** (publications - 1), LONGEST_WAIT_S)
        due = now + wait * self._jitter()
        self._flights[batch_id] = _Flight(publications, flight.first if flight else now, due)
        self._pause = 0.0
        self._not_before = 0.0

    def failed(self, now: float) -> None:
        """The broker did not take a publication."""
        least, most = BROKER_WAIT_S
        self._pause = min(self._pause * 2 or least, most)
        self._not_before = now + self._pause * self._jitter()

    def receipted(self, batch_id: str, now: float) -> float | None:
        """Seconds since the first publication; None where the batch was not in flight."""
        flight = self._flights.pop(batch_id, None)
        return now - flight.first if flight else None

    def forget(self, batch_id: str) -> None:
        """A batch that is no longer in the spool."""
        self._flights.pop(batch_id, None)
