"""Resources, their revisions, and metrics (one series of samples each)."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models.functions import Now

from meters.models.policies import ArchivePolicy
from meters.queries import MetricQuerySet, ResourceQuerySet, RevisionQuerySet

#: Type of the resource that stands for a metric which has none: one of its own each.
STANDALONE = "_standalone"


class Resource(models.Model):
    """A thing that is measured.

    Its identity is (`original_id`, `creator`): what a tenant posts under another's resource id
    is a resource of its own, so nobody can write into somebody else's series. `creator` is empty
    for what the system's own agents measure.

    `project_id` … `metadata` repeat the newest revision, for lists. The attributes of the
    resource's type (`ResourceType`) are the keys of `metadata` with their names.
    """

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    original_id = models.CharField(max_length=300)
    creator = models.CharField(max_length=511, default="", blank=True)
    type = models.CharField(max_length=255, default="generic")
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    user_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    source = models.CharField(max_length=255, default="", blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    revision_digest = models.BinaryField(max_length=16, default=b"", editable=False)
    revision_start = models.DateTimeField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = ResourceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["original_id", "creator"], name="resource_identity"),
        ]
        indexes = [
            models.Index(fields=["project_id"], name="resource_project"),
            models.Index(fields=["type", "original_id"], name="resource_type"),
        ]

    def __str__(self) -> str:
        return self.original_id

    @property
    def display_name(self) -> str:
        """The name people know it by, else its id."""
        metadata: dict[str, Any] = self.metadata
        name = metadata.get("display_name") or metadata.get("name")
        return name if isinstance(name, str) else self.original_id


class ResourceRevision(models.Model):
    """Owner and metadata of a resource from `valid_from` (a sample's time, a change's) on.

    `started_at` None is as the resource's own.
    """

    id = models.BigAutoField(primary_key=True)
    resource = models.ForeignKey(Resource, models.CASCADE, related_name="revisions")
    valid_from = models.DateTimeField()
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    user_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    type = models.CharField(max_length=255)
    source = models.CharField(max_length=255, default="", blank=True)
    metadata = models.JSONField(default=dict)
    digest = models.BinaryField(max_length=16)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = RevisionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["resource", "valid_from"], name="revision_identity"),
        ]
        indexes = [models.Index(fields=["project_id"], name="revision_project")]

    def __str__(self) -> str:
        return f"{self.resource_id} from {self.valid_from:%Y-%m-%d %H:%M:%S}"


class Metric(models.Model):
    """One series of samples: one meter of one resource. Its primary key is the series id.

    `creator` is who made it through the metric API ("user:project"), empty for the system's own
    agents. Without an `archive_policy` it is none of the metric API's.
    """

    class Type(models.TextChoices):
        GAUGE = "gauge", "gauge"
        CUMULATIVE = "cumulative", "cumulative"
        DELTA = "delta", "delta"

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    resource = models.ForeignKey(Resource, models.CASCADE, related_name="metrics")
    name = models.CharField(max_length=255)
    unit = models.CharField(max_length=255, default="", blank=True)
    type = models.CharField(max_length=16, choices=Type.choices, default=Type.GAUGE)
    archive_policy = models.ForeignKey(
        ArchivePolicy, models.PROTECT, related_name="metrics", null=True, blank=True
    )
    creator = models.CharField(max_length=511, default="", db_default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = MetricQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["resource", "name"], name="metric_identity"),
        ]
        indexes = [models.Index(fields=["name", "type", "unit"], name="metric_kind")]

    def __str__(self) -> str:
        return f"{self.name} of {self.resource_id}"


class CatalogueEpoch(models.Model):
    """One row. Raised in the same transaction as any change of a revision or any deletion.

    Collectors keep resolved catalogues in memory as long as the epoch they read at the start of
    a transaction is the one they resolved under.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.BigIntegerField(default=1)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_epoch_row")]

    def __str__(self) -> str:
        return str(self.epoch)
