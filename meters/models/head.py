"""The head: where samples arrive, before they are packed into chunks."""

from __future__ import annotations

from django.db import models


class HeadSlot(models.Model):
    """One table of the head's ring, `meters_head_<number>`.

    A slot is *open* (the only one that is written), then *closed*, then packed into chunks and
    *free*. `sequence` counts the openings: of two samples for one (series, timestamp) that of the
    slot with the higher sequence was stored last. Changed by `meters.store.head` and `.compaction`.
    """

    class State(models.TextChoices):
        FREE = "free", "free"
        OPEN = "open", "open"
        CLOSED = "closed", "closed"

    number = models.SmallIntegerField(primary_key=True)
    sequence = models.BigIntegerField(unique=True)
    state = models.CharField(max_length=8, choices=State.choices)
    opened_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "meters_headslot"

    def __str__(self) -> str:
        return f"slot {self.number}, {self.state}"


class HeadSample(models.Model):
    """One arrived sample, read through the view over all slots of the head.

    The slots have no key and no index of single rows, so that COPY stays as fast as PostgreSQL
    takes it; a (series, timestamp) may be there twice, the one stored last counts
    (`meters.store.read`). Written by `meters.store.head` only.
    """

    pk = models.CompositePrimaryKey("series_id", "timestamp")
    series_id = models.BigIntegerField()
    timestamp = models.DateTimeField()
    value = models.FloatField()

    class Meta:
        managed = False
        db_table = "meters_head"

    def __str__(self) -> str:
        return f"{self.series_id} {self.timestamp}: {self.value}"
