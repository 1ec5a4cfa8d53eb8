"""Compares the ledgers with the store: what is lost, doubled, or there without a claim.

Asked after healing and quiescence. A sample's identity is (resource, meter, timestamp) and the
last one stored wins, so equal copies in the head (a batch that was delivered twice) are no double:
a double is one identity with two values, or in two series. An event's identity is its message id.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from pcodec import standalone

from tests.faults.ledger import Book, SampleKey

SELECT_SAMPLES = """
SELECT resource.original_id, metric.name, (extract(epoch FROM head.timestamp) * 1000000)::bigint,
       head.value, head.series_id
FROM meters_head AS head
LEFT JOIN meters_metric AS metric ON metric.id = head.series_id
LEFT JOIN meters_resource AS resource ON resource.id = metric.resource_id
"""
SELECT_CHUNKS = """
SELECT resource.original_id, metric.name, chunk.count, chunk.time_bytes,
       chunk.data || chunk.tail, chunk.series_id
FROM meters_chunk AS chunk
LEFT JOIN meters_metric AS metric ON metric.id = chunk.series_id
LEFT JOIN meters_resource AS resource ON resource.id = metric.resource_id
"""
SELECT_EVENTS = "SELECT message_id FROM meters_event"
SELECT_QUARANTINE = "SELECT reason, batch_id, detail FROM meters_quarantine ORDER BY id"

StoredSample = tuple[SampleKey, float, int]


@dataclass
class Stored:
    """What the database holds: (identity, value, series id) of each sample, ids of each event."""

    samples: Sequence[StoredSample] = ()
    events: Sequence[str] = ()
    quarantined: Sequence[tuple[str, str, str]] = ()

    def without(self, host: str) -> Stored:
        """All but the samples that the compute role took of its own machine, named `host`."""
        kept = [one for one in self.samples if not str(one[0].resource).startswith(host)]
        return Stored(kept, self.events, self.quarantined)


@dataclass
class Verdict:
    """Empty lists everywhere is a pass. `copies` counts equal rows beyond the first: no fault."""

    lost: list[Any] = field(default_factory=list)
    doubled: list[Any] = field(default_factory=list)
    ghost: list[Any] = field(default_factory=list)
    quarantined: list[tuple[str, str, str]] = field(default_factory=list)
    stored: int = 0
    copies: int = 0

    @property
    def exact(self) -> bool:
        """Stored is what was claimed; something may lie in the quarantine besides."""
        return not (self.lost or self.doubled or self.ghost)

    @property
    def clean(self) -> bool:
        return self.exact and not self.quarantined

    def __str__(self) -> str:
        parts = [f"{self.stored} stored, {self.copies} equal copies"]
        for name in ("lost", "doubled", "ghost", "quarantined"):
            found = getattr(self, name)
            if found:
                parts.append(f"{len(found)} {name}, for example {found[:3]}")
        return "; ".join(parts)


def ask(database_url: str) -> Stored:
    """Read everything that is stored."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(SELECT_SAMPLES).fetchall()
        samples = [
            (SampleKey(resource, meter, time), value, series)
            for resource, meter, time, value, series in rows
        ]
        for row in connection.execute(SELECT_CHUNKS):
            samples += _unpacked(*row)
        events = [row[0] for row in connection.execute(SELECT_EVENTS).fetchall()]
        return Stored(samples, events, connection.execute(SELECT_QUARANTINE).fetchall())


def _unpacked(
    resource: str, meter: str, count: int, time_bytes: int, data: bytes, series: int
) -> Iterable[StoredSample]:
    times = standalone.simple_decompress(data[:time_bytes]).tolist()
    values = standalone.simple_decompress(data[time_bytes:]).tolist()
    assert len(times) == len(values) == count
    keys = (SampleKey(resource, meter, time) for time in times)
    return zip(keys, values, [series] * count, strict=True)


def judge(book: Book, stored: Stored) -> Verdict:
    """`ok` must be there once, `fail` must not, `info` may; nothing else may be there."""
    verdict = Verdict(quarantined=list(stored.quarantined))
    _judge_samples(book, stored.samples, verdict)
    _judge_events(book, stored.events, verdict)
    return verdict


def _judge_samples(book: Book, samples: Iterable[StoredSample], verdict: Verdict) -> None:
    found: defaultdict[SampleKey, Counter[tuple[float, int]]] = defaultdict(Counter)
    for key, value, series in samples:
        found[key][value, series] += 1
    verdict.stored += len(found)
    verdict.copies += sum(sum(kinds.values()) - len(kinds) for kinds in found.values())
    verdict.doubled += [key for key, kinds in found.items() if len(kinds) > 1]
    values = {key: {value for value, _ in kinds} for key, kinds in found.items()}
    claims = book.ok.samples
    verdict.lost += [key for key, value in claims.items() if value not in values.get(key, ())]
    allowed = book.info.samples | claims
    verdict.ghost += [key for key, seen in values.items() if seen != {allowed.get(key)}]


def _judge_events(book: Book, events: Iterable[str], verdict: Verdict) -> None:
    found = Counter(events)
    verdict.stored += len(found)
    verdict.doubled += sorted(event for event, count in found.items() if count > 1)
    verdict.lost += sorted(book.ok.events - found.keys())
    verdict.ghost += sorted(found.keys() - book.ok.events - book.info.events)
