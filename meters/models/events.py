"""Events: what happened, with typed traits."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

from meters.queries import EventQuerySet


class Event(models.Model):
    """Identity is `message_id`.

    `traits` maps name → value, `trait_types` name → text|int|float|datetime. A datetime trait is
    stored as ISO 8601 text in UTC with microseconds, so that text order is time order.
    """

    id = models.BigAutoField(primary_key=True)
    message_id = models.CharField(max_length=255, unique=True)
    event_type = models.CharField(max_length=255)
    generated = models.DateTimeField()
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    user_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    traits = models.JSONField(default=dict)
    trait_types = models.JSONField(default=dict)
    raw = models.JSONField(default=dict)
    stored_at = models.DateTimeField(db_default=Now())

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["-generated", "-id"], name="event_generated"),
            models.Index(fields=["event_type", "-generated"], name="event_type"),
            models.Index(fields=["project_id", "-generated"], name="event_project"),
            GinIndex(fields=["traits"], name="event_traits", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.message_id}"
