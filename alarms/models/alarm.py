"""The alarm and its history."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from alarms.choices import ACTIONS_OF_STATE, Change, Severity, State, Type
from alarms.queries import ProjectQuerySet

NOT_EVALUATED = "Not evaluated yet"


def _actions() -> ArrayField:  # type: ignore[type-arg]
    return ArrayField(models.TextField(), default=list, blank=True)


class Alarm(models.Model):
    """A rule over metrics with a state, and the actions to take when the state changes.

    `project_id` limits what the rule may look at: the samples of the time when their resource was
    that project's. Null is the installation itself, which looks at everything (see `seen_project`).

    `state_version` rises by one with each row of history that concerns the state, and
    `definition_version` with each change of anything else; who writes compares them first, so
    nobody undoes another's change. `evaluate_at` is when the alarm is due; an evaluator that takes
    it moves it on. It has no index on purpose: so an update stays in its page (HOT), which costs a
    third, and a look through ten thousand rows takes 3 ms. `state_reason` tells why the state is
    what it is.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255)
    description = models.TextField(default="", blank=True)
    enabled = models.BooleanField(default=True)
    type = models.CharField(max_length=64, choices=Type.choices)
    #: As `alarms.definition.parse_rule` takes it.
    rule = models.JSONField()
    severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.LOW)
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    user_id = models.CharField(max_length=255, default="", blank=True)
    ok_actions = _actions()
    alarm_actions = _actions()
    insufficient_data_actions = _actions()
    repeat_actions = models.BooleanField(default=False)
    #: As `alarms.definition.constraints` takes them: evaluated only while one of them is open.
    time_constraints = models.JSONField(default=list, blank=True)
    #: As `alarms.definition.policy` takes it; null: none.
    policy = models.JSONField(null=True, blank=True)
    #: Made by an administrator for the own project: its rule looks at everything all the same.
    is_unscoped = models.BooleanField(default=False)
    #: From which files it comes (`manage.py load_alarms`); "" of one that people made.
    managed_by = models.CharField(max_length=255, default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    #: When the definition was last written.
    updated_at = models.DateTimeField(db_default=Now())
    definition_version = models.BigIntegerField(default=1)

    state = models.CharField(max_length=32, choices=State.choices, default=State.INSUFFICIENT_DATA)
    state_reason = models.TextField(default=NOT_EVALUATED)
    state_reason_data = models.JSONField(default=dict, blank=True)
    state_timestamp = models.DateTimeField(db_default=Now())
    state_version = models.BigIntegerField(default=0)
    #: How often the present state has fired again (`repeat_actions`).
    repeat_no = models.BigIntegerField(default=0)

    evaluate_at = models.DateTimeField(db_default=Now())
    #: When it was last taken to be evaluated; at first when it was made.
    evaluated_at = models.DateTimeField(db_default=Now())
    #: Why it could not be evaluated (rule E6); empty when it could.
    evaluation_error = models.TextField(default="", blank=True)
    evaluation_failures = models.PositiveIntegerField(default=0)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["project_id", "name"], name="alarm_project"),
            models.Index(fields=["-updated_at", "id"], name="alarm_updated"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def seen_project(self) -> str | None:
        """The project that limits what the rule looks at; None: nothing does."""
        return None if self.is_unscoped else self.project_id

    def actions(self, state: str) -> list[str]:
        """The actions of reaching `state`, in the order to take them."""
        actions: list[str] = getattr(self, ACTIONS_OF_STATE[state])
        return actions


class AlarmQuota(models.Model):
    """How many alarms a project may have, where it isn't what the settings say; -1: any number."""

    project_id = models.CharField(max_length=255, primary_key=True)
    limit = models.IntegerField(default=-1)

    objects = ProjectQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.project_id}: {self.limit}"


class EvaluationCount(models.Model):
    """How often an alarm was found in each state (TELEMETRY_EVALUATION_COUNTS)."""

    alarm = models.OneToOneField(Alarm, models.CASCADE, primary_key=True, related_name="counts")
    insufficient_data = models.BigIntegerField(default=0)
    ok = models.BigIntegerField(default=0)
    alarming = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"evaluations of {self.alarm_id}"


class AlarmHistory(models.Model):
    """What happened to an alarm. Rows outlive it.

    Rows that concern the state have a `state_version`: 1, 2, 3 … without a gap, and each one's
    `from_state` is the `to_state` of the one before. `detail` is aodh's (alarms.md 5): the whole
    alarm, the changed fields, or the new state with its reason.
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    alarm_id = models.UUIDField()
    type = models.CharField(max_length=32, choices=Change.choices)
    detail = models.JSONField(default=dict)
    #: The alarm's owner at the time: who may read the row.
    project_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unowned
    #: Who did it; empty for the evaluator.
    user_id = models.CharField(max_length=255, default="", blank=True)
    #: The project for which that person acted; empty where it is not known, and for the evaluator.
    user_project_id = models.CharField(max_length=255, default="", blank=True)
    severity = models.CharField(max_length=16, default="", blank=True)
    timestamp = models.DateTimeField(db_default=Now())
    state_version = models.BigIntegerField(null=True, blank=True)
    from_state = models.CharField(max_length=32, default="", blank=True)
    to_state = models.CharField(max_length=32, default="", blank=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "alarm history"
        constraints = [
            models.UniqueConstraint(fields=["alarm_id", "state_version"], name="history_version"),
        ]
        indexes = [
            models.Index(fields=["alarm_id", "-id"], name="history_alarm"),
            models.Index(fields=["timestamp"], name="history_time"),
        ]

    def __str__(self) -> str:
        return f"{self.type} of {self.alarm_id}"
