"""The outbox: each action that a transition asked for, and every attempt to take it."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from alarms.choices import Delivery, State
from alarms.queries import NotificationQuerySet
from meters.queries import OperatorQuerySet


class Notification(models.Model):
    """One message to one receiver. It is written in the transaction of its transition.

    `id` is the idempotency key that every attempt carries, made of (alarm, state_version,
    action_no, repeat_no), so the same transition cannot ask for it twice. `state_version` is null
    for a test. `url` may hold secrets: show `alarms.notifier.urls.shown(url)`.
    `destination` is what shares a connection limit and a breaker: ``https://host:port``.

    A message of a route tells several alarms at once: `alarm_id` is its group's id and
    `state_version` its number in the group. What it tells are rows of their own, `grouped`, with
    that group and number.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alarm_id = models.UUIDField()
    alarm_name = models.CharField(max_length=255)
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    severity = models.CharField(max_length=16)
    state_version = models.BigIntegerField(null=True, blank=True)
    action_no = models.PositiveSmallIntegerField(default=0)
    repeat_no = models.BigIntegerField(default=0)
    is_test = models.BooleanField(default=False)
    previous = models.CharField(max_length=32, choices=State.choices)
    current = models.CharField(max_length=32, choices=State.choices)
    url = models.TextField()
    destination = models.CharField(max_length=300)
    #: The bytes that are sent, as text: aodh's body (alarms.md 4.3).
    body = models.TextField()
    #: The alarm's own {subject, body} for people, where it has one (`alarms.notifier.templates`).
    template = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    status = models.CharField(max_length=16, choices=Delivery.choices, default=Delivery.PENDING)
    #: Attempts in all; they number the rows of `tries`.
    attempts = models.PositiveIntegerField(default=0)
    #: Those that failed since `retrying_since`, the first attempt or the first since a person
    #: asked for another one: they decide when the next is due, and when it is given up. Of a long
    #: time in which nobody tried little counts (`alarms.notifier.delivery`).
    failures = models.PositiveIntegerField(default=0)
    retrying_since = models.DateTimeField(null=True, blank=True)
    #: When the last of those was over: the wait for `next_attempt_at` began then.
    tried_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    #: HTTP status of the last answer; null where there was none.
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    #: Class of the last fault (`timeout`, `refused`, `http_500` …); empty after a success.
    last_error = models.CharField(max_length=64, default="", blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    #: Why it was kept back: silences by their ids, and the alarms that inhibited it by theirs.
    silenced_by = ArrayField(models.UUIDField(), default=list, blank=True)
    inhibited_by = ArrayField(models.UUIDField(), default=list, blank=True)
    #: When it was let go after that.
    released_at = models.DateTimeField(null=True, blank=True)
    #: The receiver that the action names; `url` is its address as long as the message waits.
    receiver_id = models.UUIDField(null=True, blank=True)
    #: Of what is told by a route, and of the message that does.
    group_id = models.UUIDField(null=True, blank=True)
    group_no = models.BigIntegerField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alarm_id", "state_version", "action_no", "repeat_no"],
                name="notification_identity",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(status="pending"),
                name="notification_pending",
            ),
            models.Index(
                fields=["alarm_id", "state_version"],
                condition=models.Q(status="pending"),
                name="notification_order",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status="pending"),
                name="notification_leased",
            ),
            models.Index(
                fields=["status"], condition=models.Q(status="dead"), name="notification_dead"
            ),
            models.Index(
                fields=["alarm_id"],
                condition=models.Q(status="suppressed"),
                name="notification_suppressed",
            ),
            models.Index(
                fields=["group_id"],
                condition=models.Q(status="gathering"),
                name="notification_gathering",
            ),
            models.Index(
                fields=["group_id", "group_no"],
                condition=models.Q(group_no__isnull=False),
                name="notification_group",
            ),
            models.Index(
                fields=["receiver_id", "-created_at"],
                condition=models.Q(receiver_id__isnull=False),
                name="notification_receiver",
            ),
            models.Index(fields=["alarm_id", "-created_at"], name="notification_alarm"),
            models.Index(fields=["-created_at", "id"], name="notification_created"),
        ]

    def __str__(self) -> str:
        return f"{self.alarm_name}: {self.current} to {self.destination}"

    @property
    def is_of_route(self) -> bool:
        """Whether it tells several alarms at once."""
        return self.group_id is not None and self.group_id == self.alarm_id


class NotificationAttempt(models.Model):
    """One try to send, and what the receiver said to it.

    It is written when it begins; without `duration_s` it is under way, or its notifier was killed.
    """

    id = models.BigAutoField(primary_key=True)
    notification = models.ForeignKey(Notification, models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    duration_s = models.FloatField(null=True, blank=True)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    #: Class of the fault; empty when it was delivered.
    error = models.CharField(max_length=64, default="", blank=True)
    #: The beginning of the answer; for administrators only, since it would make a tenant's alarm
    #: a window into the operator's network.
    answer = models.TextField(default="", blank=True)

    class Meta:
        ordering = ("number",)
        constraints = [
            models.UniqueConstraint(fields=["notification", "number"], name="attempt_identity"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.notification_id}"


class Destination(models.Model):
    """The breaker of a receiver's host: after failures in a row it is left alone for a while."""

    key = models.CharField(max_length=300, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=64, default="", blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    objects = OperatorQuerySet.as_manager()

    def __str__(self) -> str:
        return self.key


class SendingBudget(models.Model):
    """The token bucket of a project for one receiver's host: `level` messages might be sent at
    once at `at`, and it fills up since (`alarms.notifier.limits`)."""

    id = models.BigAutoField(primary_key=True)
    project_id = models.CharField(max_length=255)
    destination = models.CharField(max_length=300)
    level = models.FloatField()
    at = models.DateTimeField()

    objects = OperatorQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project_id", "destination"], name="budget_identity"),
        ]

    def __str__(self) -> str:
        return f"{self.project_id} to {self.destination}"
