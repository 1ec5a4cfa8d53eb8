"""What Keystone said of a token, remembered for a short while in this process (S12, S36).

Tokens are known by their SHA-256. Good and bad answers have a store each, so that no flood of bad
tokens drives out the good ones. However many threads bring one token, it is asked for once.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import NamedTuple

from telemetry_site import clock
from telemetry_site.auth.caller import Caller

#: So long a token that Keystone does not know is not asked for again.
REFUSED_S = 5.0
MOST_ENTRIES = 10_000


class Verdict(NamedTuple):
    """Whose token it is, and until when."""

    caller: Caller
    expires_at: datetime


class _Store:
    """The newest `MOST_ENTRIES` values, each for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: OrderedDict[bytes, tuple[float, Verdict | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: bytes, value: Verdict | None, asked_at: float) -> None:
        self._entries[key] = (asked_at + self._seconds, value)
        self._entries.move_to_end(key)
        while len(self._entries) > MOST_ENTRIES:
            self._entries.popitem(last=False)

    def find(self, key: bytes, now: float) -> tuple[float, Verdict | None] | None:
        found = self._entries.get(key)
        if found is not None and found[0] <= now:
            del self._entries[key]
            return None
        return found


class TokenCache:
    """`ask` answers None for a token that is not good, and raises where it can't tell."""

    def __init__(
        self,
        ask: Callable[[str], Verdict | None],
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._ask = ask
        self._good, self._bad = _Store(seconds), _Store(min(REFUSED_S, seconds))
        self._monotonic, self._now = monotonic, now
        self._flights: dict[bytes, Future[Verdict | None]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._good) + len(self._bad)

    def caller(self, token: str) -> Caller | None:
        """None: the token is not good. Raises what `ask` raises, which is not remembered."""
        verdict = self._verdict(hashlib.sha256(token.encode()).digest(), token)
        if verdict is None or verdict.expires_at <= self._now():
            return None
        return verdict.caller

    def _verdict(self, key: bytes, token: str) -> Verdict | None:
        with self._lock:
            now = self._monotonic()
            known = self._good.find(key, now) or self._bad.find(key, now)
            if known is not None:
                return known[1]
            flight = self._flights.get(key)
            if flight is None:
                self._flights[key] = mine = Future[Verdict | None]()
        if flight is not None:
            return flight.result()
        return self._fly(mine, key, token, now)

    def _fly(
        self, flight: Future[Verdict | None], key: bytes, token: str, begun: float
    ) -> Verdict | None:
        try:
            verdict = self._ask(token)
        except BaseException as error:
            with self._lock:
                del self._flights[key]
            flight.set_exception(error)
            raise
        with self._lock:
            (self._good if verdict else self._bad).put(key, verdict, begun)
            del self._flights[key]
        flight.set_result(verdict)
        return verdict
