"""What keeps messages back: silences, inhibitions, acknowledgements."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from alarms.choices import SilenceState
from alarms.queries import ProjectQuerySet, SilenceQuerySet
from telemetry_site import clock


class Silence(models.Model):
    """From `starts_at` to `ends_at` no message is sent for the project's alarms that all
    `matchers` fit; they are evaluated as ever.

    `matchers` are Alertmanager's (see `alarms.muting.matchers`) and never change: what a message
    was kept back for is to be seen later. Null `project_id` is the installation and its own alarms.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    matchers = models.JSONField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    #: What the client calls its author; `user_id` is who it really was.
    created_by = models.CharField(max_length=255)
    user_id = models.CharField(max_length=255, default="", blank=True)
    comment = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    #: Who ended it before its time; empty where nobody did.
    ended_by = models.CharField(max_length=255, default="", blank=True)

    objects = SilenceQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["ends_at"], name="silence_end"),
            models.Index(fields=["project_id", "-ends_at"], name="silence_project"),
        ]

    def __str__(self) -> str:
        return f"{self.comment} ({self.created_by})"

    @property
    def state(self) -> str:
        return self.state_at(clock.now())

    def state_at(self, moment: datetime) -> str:
        if self.ends_at <= moment:
            return SilenceState.EXPIRED
        return SilenceState.PENDING if self.starts_at > moment else SilenceState.ACTIVE


class Inhibition(models.Model):
    """While an alarm that `source` fits is in alarm, no message is sent for those that `target`
    fits, where all labels in `equal` agree."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    source = models.JSONField()
    target = models.JSONField()
    equal = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    comment = models.TextField(default="", blank=True)
    user_id = models.CharField(max_length=255, default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = ProjectQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["project_id"], name="inhibition_project")]

    def __str__(self) -> str:
        return f"inhibition {self.pk}"


class AlarmAck(models.Model):
    """Somebody knows of an alarm: it is not told again until the state changes, or `until`.

    It counts for the alarm's stay in the state since `state_since`. Rows outlive the alarm.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alarm_id = models.UUIDField()
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    #: The alarm's `state_timestamp`.
    state_since = models.DateTimeField()
    comment = models.TextField(default="", blank=True)
    until = models.DateTimeField(null=True, blank=True)
    user_id = models.CharField(max_length=255, default="", blank=True)
    created_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())
    #: When somebody took it back, or acknowledged anew.
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=255, default="", blank=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alarm_id"], condition=models.Q(ended_at=None), name="ack_open"
            ),
        ]
        indexes = [models.Index(fields=["alarm_id", "-created_at"], name="ack_alarm")]

    def __str__(self) -> str:
        return f"{self.created_by}: {self.comment}"
