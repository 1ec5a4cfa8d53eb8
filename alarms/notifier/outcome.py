"""What became of one attempt, and when the next one is due (rule N2)."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import NamedTuple

from alarms.choices import Delivery

#: Seconds after the first failure, the second …; the last one goes on.
WAITS = (5, 15, 60, 300, 900, 3600)
#: After so long it is given up.
PATIENCE = timedelta(hours=24)
LONGEST_RETRY_AFTER_S = 3600.0
#: Characters of an answer that are kept.
SHOWN_ANSWER = 1000
_COME_BACK = frozenset({408, 425, 429})


class Outcome(NamedTuple):
    """`error` is the class of the fault, empty when it was delivered; `retry_after_s` is what the
    receiver asked for."""

    error: str = ""
    is_final: bool = False
    status: int | None = None
    answer: str = ""
    retry_after_s: float | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the receiver is there and can decide, be it to refuse."""
        return not self.error or (self.status is not None and self.is_final)


def of_status(status: int, answer: str = "", retry_after_s: float | None = None) -> Outcome:
    """2xx is delivered; a redirect is never followed; 4xx means no, but for "later" and "again"."""
    if 200 <= status < 300:
        return Outcome(status=status, answer=answer)
    if 300 <= status < 400:
        return Outcome("redirect_refused", True, status, answer)
    is_final = 400 <= status < 500 and status not in _COME_BACK
    asked = retry_after_s if status in (429, 503) else None
    return Outcome(f"http_{status}", is_final, status, answer, asked)


class Next(NamedTuple):
    """Where the notification stands now; `wait` is only for a pending one."""

    status: Delivery
    wait: timedelta = timedelta()


def decide(outcome: Outcome, failures: int, retrying_for: timedelta) -> Next:
    """`failures` are those before this attempt, `retrying_for` since the first one."""
    if not outcome.error:
        return Next(Delivery.DELIVERED)
    if outcome.is_final:
        return Next(Delivery.FAILED)
    wait = timedelta(seconds=_wait_s(outcome, failures))
    if retrying_for + wait > PATIENCE:
        return Next(Delivery.DEAD)
    return Next(Delivery.PENDING, wait)


def _wait_s(outcome: Outcome, failures: int) -> float:
    if outcome.retry_after_s is not None:
        return min(max(outcome.retry_after_s, 1.0), LONGEST_RETRY_AFTER_S)
    return WAITS[min(failures, len(WAITS) - 1)] * random.uniform(0.8, 1.2)
