"""What the metric API promises of series, and what resources of a type have to say."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from meters.queries import OpenQuerySet

#: The policy of what our own agents measure, where there is one of this name.
AGENTS_POLICY = "telemetry"


class ArchivePolicy(models.Model):
    """At which granularities, how far back and by which methods a metric may be asked for.

    All aggregates are computed from the raw samples; a policy only bounds what is answered and
    how long samples are kept. `definition` is a list of ``{"granularity": µs, "points": number
    or null}``, null being without end.
    """

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=255, unique=True)
    back_window = models.IntegerField(default=0)
    definition = models.JSONField()
    aggregation_methods = ArrayField(models.CharField(max_length=32))

    objects = OpenQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def granularities_us(self) -> list[int]:
        """Coarsest first."""
        return sorted((item["granularity"] for item in self.definition), reverse=True)

    def timespan_us(self, granularity_us: int) -> int | None:
        """How far before a series' newest point it is answered at a granularity; None: all."""
        points = {item["granularity"]: item["points"] for item in self.definition}[granularity_us]
        return None if points is None else points * granularity_us

    @property
    def longest_us(self) -> int | None:
        """How far before a series' newest point its samples are kept; None: all."""
        spans = [self.timespan_us(granularity) for granularity in self.granularities_us]
        return None if None in spans else max(span for span in spans if span is not None)


class ArchivePolicyRule(models.Model):
    """Which policy a metric made without one gets, by its name (shell wildcards)."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=255, unique=True)
    archive_policy = models.ForeignKey(ArchivePolicy, models.PROTECT, related_name="rules")
    metric_pattern = models.CharField(max_length=255)

    objects = OpenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name}: {self.metric_pattern} → {self.archive_policy_id}"


class ResourceType(models.Model):
    """The typed attributes of a resource's type: ``{name: {"type": …, "required": …, …}}``."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=255, unique=True)
    attributes = models.JSONField(default=dict, blank=True)

    objects = OpenQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
