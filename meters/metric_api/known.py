"""The metrics that posts have named: who polls names the same ones each minute.

Valid under the catalogue's epoch, which every transaction that stores reads first: whatever changes
a resource or deletes a metric raises it.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern

from django.db import transaction

from meters.metric_api.finding import Measured

#: A resource's UUID as a number, whose hash is none of Python's making, and a metric's name.
Pair = tuple[int, str]

#: Some 20 MB a process.
MOST = 50_000


class KnownMetrics:
    """Threads share it: what a transaction took hold of is emptied by nobody."""

    def __init__(self) -> None:
        self._of: tuple[int, dict[Pair, Measured]] = 0, {}

    def under(self, epoch: int) -> Mapping[Pair, Measured]:
        if self._of[0] != epoch:
            self._of = epoch, {}
        return self._of[1]

    def remember(self, epoch: int, found: Mapping[Pair, Measured]) -> None:
        """Once the transaction is committed; `found` under this epoch. Who has ended may begin
        anew without the epoch being raised, and is not remembered.
        """
        lasting = {
            (key, intern(name)): metric._replace(name=intern(name), creator=intern(metric.creator))
            for (key, name), metric in found.items()
            if metric.ended_at is None
        }
        transaction.on_commit(lambda: self._add(epoch, lasting))

    def _add(self, epoch: int, lasting: dict[Pair, Measured]) -> None:
        at, known = self._of
        if at != epoch:
            return
        if len(known) > MOST:
            self._of = epoch, lasting
        else:
            known.update(lasting)

    def clear(self) -> None:
        self._of = 0, {}


known = KnownMetrics()
