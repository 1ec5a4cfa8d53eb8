"""Messages of the collector's queue, and which of them are copies of what is stored already."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from meters import metrics, wire

#: (agent, receipt) of each batch.
Receipts = list[tuple[str, wire.Receipt]]


@dataclass(frozen=True)
class Delivery:
    """One message of the collector's queue. `again`: delivered or published before."""

    payload: bytes
    again: bool = False


class Copy(NamedTuple):
    """What tells a copy from another batch that bears its id by mistake."""

    batch_id: str
    size: int
    checksum: int


class StoredLately:
    """The receipts of the last few thousand batches that this process has committed."""

    MOST = 4096

    def __init__(self) -> None:
        self._receipts: OrderedDict[Copy, tuple[str, wire.Receipt]] = OrderedDict()

    def split(self, deliveries: Sequence[Delivery]) -> tuple[Receipts, list[Delivery]]:
        """(receipts of the copies of what is stored, the other deliveries)."""
        receipts, others = [], []
        for one in deliveries:
            known = self._receipts.get(_copy_of(one.payload)) if one.again else None
            if known is None:
                others.append(one)
            else:
                receipts.append(known)
        metrics.INGEST_COPIES.inc(len(receipts))
        return receipts, others

    def remember(self, deliveries: Sequence[Delivery], receipts: Receipts) -> None:
        """After the commit. What went into the quarantine is looked at again each time."""
        stored = {one[1].batch_id: one for one in receipts if one[1].status == "stored"}
        for delivery in deliveries:
            copy = _copy_of(delivery.payload)
            if copy.batch_id in stored:
                self._receipts[copy] = stored[copy.batch_id]
        while len(self._receipts) > self.MOST:
            self._receipts.popitem(last=False)


def _copy_of(payload: bytes) -> Copy:
    return Copy(wire.peek_header(payload)[1], len(payload), zlib.crc32(payload))
