"""Whom to tell and what together: receivers by name, routes, the groups of routes."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from alarms.queries import ProjectQuerySet, ReceiverQuerySet
from meters.queries import OperatorQuerySet


class Receiver(models.Model):
    """An address with a name, that alarms and routes of a project send to: ``receiver://name``.

    Null `project_id` is the installation, and its own alarms.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    name = models.CharField(max_length=64)
    #: An action's URL; it may hold a secret.
    url = models.TextField()
    #: What shares its breaker (`Notification.destination`).
    destination = models.CharField(max_length=300)
    #: What its webhooks are signed with in place of the installation's secrets; shown to nobody.
    secret = models.CharField(max_length=255, default="", blank=True)
    #: {subject, body} for people, where the alarm has none.
    template = models.JSONField(null=True, blank=True)
    user_id = models.CharField(max_length=255, default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = ReceiverQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project_id", "name"], nulls_distinct=False, name="receiver_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Route(models.Model):
    """Which of a project's alarms with the action ``route://`` are told together, and to whom.

    `match` holds what an alarm must be: `name` (``*`` stands for any characters), `severity`,
    `type`, and of the installation's routes `project`. The first by `position` takes an alarm.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    position = models.IntegerField(default=0)
    match = models.JSONField(default=dict, blank=True)
    #: Labels (`alarms.muting.matchers`); alarms in which they agree make a group.
    group_by = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    #: Seconds before a group's first message, and between two.
    wait = models.IntegerField(default=30)
    interval = models.IntegerField(default=300)
    #: Seconds before what says nothing new is told again.
    repeat_interval = models.IntegerField(default=14_400)
    actions = ArrayField(models.TextField(), default=list)
    user_id = models.CharField(max_length=255, default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = ProjectQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["project_id", "position"], name="route_position")]

    def __str__(self) -> str:
        return f"route {self.pk}"


class RouteGroup(models.Model):
    """Alarms of one project that a route tells together; `key` are the values of its `group_by`.

    `told` counts its messages. `due_at` is null while nothing waits.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    route = models.ForeignKey(Route, models.CASCADE, related_name="groups")
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    key = ArrayField(models.TextField(), default=list)
    told = models.BigIntegerField(default=0)
    told_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    touched_at = models.DateTimeField(db_default=Now())

    objects = OperatorQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["route", "project_id", "key"], nulls_distinct=False, name="group_identity"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(due_at__isnull=False), name="group_due"
            ),
        ]

    def __str__(self) -> str:
        return f"group {self.pk}"
