"""Chunks: samples at rest."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from meters.queries import OperatorQuerySet


class Chunk(models.Model):
    """Samples of one series in one day (UTC), sorted, one for each timestamp.

    A day has several until they are merged; where two hold one timestamp, the higher `sequence`
    was stored last. `data`, then `tail`, are the timestamps in `time_bytes` bytes and the
    values (see `meters.store.chunks`). No foreign key to the metric, so that the table can be
    distributed.
    Written by `meters.store.compaction` only, read by `meters.store.read`.
    """

    pk = models.CompositePrimaryKey("series_id", "start", "sequence")
    series_id = models.BigIntegerField()
    start = models.DateTimeField()
    sequence = models.BigIntegerField()
    last = models.DateTimeField()
    count = models.IntegerField()
    merged = models.BooleanField()
    time_bytes = models.IntegerField()
    data = models.BinaryField()
    tail = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(
                fields=["start", "series_id"],
                condition=models.Q(merged=False),
                name="chunk_unmerged",
            ),
            BrinIndex(
                fields=["start", "last"], name="chunk_times", pages_per_range=32, autosummarize=True
            ),
        ]

    def __str__(self) -> str:
        return f"{self.count} samples of {self.series_id} on {self.start:%Y-%m-%d}"


class DeletedSeries(models.Model):
    """A series whose metric was deleted and whose chunks still have to go.

    Noted by `meters.store.deletion`, which also takes the note away.
    """

    series_id = models.BigIntegerField(primary_key=True)
    deleted_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "deleted series"

    def __str__(self) -> str:
        return f"{self.series_id}, deleted {self.deleted_at:%Y-%m-%d %H:%M}"


class RetentionWalk(models.Model):
    """One row: how far `meters.store.retention` has come with deleting old chunks.

    Series up to `position` were looked at since `begun_at`.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    position = models.BigIntegerField(default=0)
    begun_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_walk_row")]

    def __str__(self) -> str:
        return f"begun {self.begun_at:%Y-%m-%d %H:%M}, at series {self.position}"


class StoreSurvey(models.Model):
    """One row: what `meters.store.surveys` has counted last, and how long that `took`.

    `meters` is a list of ``{"name", "series", "samples", "bytes"}``, most samples first.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    taken_at = models.DateTimeField()
    took = models.DurationField()
    exact = models.BooleanField()
    series = models.BigIntegerField()
    head_samples = models.BigIntegerField()
    chunk_samples = models.BigIntegerField()
    chunks = models.BigIntegerField()
    unmerged = models.BigIntegerField()
    oldest = models.DateTimeField(null=True)
    newest = models.DateTimeField(null=True)
    meters = models.JSONField()

    objects = OperatorQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_survey_row")]

    def __str__(self) -> str:
        return f"{self.series} series on {self.taken_at:%Y-%m-%d %H:%M}"
