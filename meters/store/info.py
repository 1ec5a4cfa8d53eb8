"""What the store holds, in figures: the one place for page, metrics and command.

The slots, the sizes of tables and the minutes of ingest cost nothing and are asked for each time.
Everything else is a `Survey` of the rows, which a periodic job takes and files
(`meters.store.surveys`), so that a page reads one row of it however many series there are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from meters.models import StoreSurvey
from meters.store.reports import ingest_rates

_SLOTS = """
SELECT number, state, opened_at, pg_total_relation_size('meters_head_' || number)
FROM meters_headslot ORDER BY sequence
"""
_LIVE = "SELECT now(), pg_total_relation_size('meters_chunk')"


class Slot(NamedTuple):
    """One table of the head's ring."""

    number: int
    state: str
    opened_at: datetime
    bytes: int


class MeterUse(NamedTuple):
    """What all series of one name hold; `bytes` are those of compressed data."""

    name: str
    series: int
    samples: int
    bytes: int


class Ring(NamedTuple):
    """The head's slots in the order of their filling, at the database's `now`."""

    now: datetime
    slots: list[Slot]
    chunk_bytes: int

    @property
    def free(self) -> int:
        return sum(slot.state == "free" for slot in self.slots)

    @property
    def lag_s(self) -> float:
        """Age of the oldest slot that waits to be packed; 0 where none does."""
        waiting = [slot.opened_at for slot in self.slots if slot.state == "closed"]
        return (self.now - min(waiting)).total_seconds() if waiting else 0.0

    @property
    def head_bytes(self) -> int:
        return sum(slot.bytes for slot in self.slots)

    @property
    def bytes(self) -> int:
        return self.head_bytes + self.chunk_bytes


class Survey(NamedTuple):
    """Counts of rows; estimates, where not `exact`, and then `oldest` is that of the rows seen.

    `oldest` and `newest` are of the chunks; samples overwritten in the head count there. `meters`
    are those with the most samples, the most first.
    """

    taken_at: datetime
    exact: bool
    series: int
    head_samples: int
    chunk_samples: int
    chunks: int
    unmerged: int
    oldest: datetime | None
    newest: datetime | None
    meters: list[MeterUse]


class Info(NamedTuple):
    """All of it; `ingest_rate` in samples/s, over the last minutes."""

    ring: Ring
    survey: Survey
    ingest_rate: float

    @property
    def bytes_per_sample(self) -> float | None:
        """Of the samples in chunks, with all that belongs to the table."""
        samples = self.survey.chunk_samples
        return self.ring.chunk_bytes / samples if samples else None

    @property
    def samples(self) -> int:
        return self.survey.head_samples + self.survey.chunk_samples

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        survey = {**self.survey._asdict(), "meters": [one._asdict() for one in self.survey.meters]}
        return {
            **survey,
            "chunk_bytes": self.ring.chunk_bytes,
            "head_bytes": self.ring.head_bytes,
            "bytes_per_sample": self.bytes_per_sample,
            "ingest_samples_per_s": self.ingest_rate,
            "compaction_lag_seconds": self.ring.lag_s,
            "slots": [slot._asdict() for slot in self.ring.slots],
        }


def ring() -> Ring:
    with connection.cursor() as cursor:
        cursor.execute(_SLOTS)
        slots = [Slot(*row) for row in cursor.fetchall()]
        cursor.execute(_LIVE)
        now, chunk_bytes = cursor.fetchone()
    return Ring(now, slots, chunk_bytes)


def store_info(survey: Survey) -> Info:
    return Info(ring(), survey, ingest_rates()["samples_per_s"])


def filed_survey() -> Survey | None:
    """The last one that was filed."""
    row = StoreSurvey.objects.values(*Survey._fields).first()
    if row is None:
        return None
    return Survey(**row | {"meters": [MeterUse(**one) for one in row["meters"]]})
