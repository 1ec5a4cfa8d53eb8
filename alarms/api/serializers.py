"""How alarms, their history and notifications look in answers; nothing here decides who sees a
row, but what of it: an action's URL may hold a secret, and is whole only for whoever may edit.

What comes in is checked by `alarms.lifecycle.check`, so that every door says the same; the
serializers of a definition describe it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

import msgspec
from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from alarms import lifecycle
from alarms.api.base import may_edit
from alarms.choices import ACTION_FIELDS, Delivery, Severity, State, Type
from alarms.definition import RULES, parse_rule
from alarms.definition.policy import NoData
from alarms.definition.words import sentence
from alarms.errors import DefinitionError
from alarms.models import Alarm, AlarmHistory, Notification, NotificationAttempt
from alarms.notifier.schemes.trust import without_trust
from alarms.notifier.urls import shown
from alarms.standing import Standing, standings
from meters.api.params import moment
from meters.api.serializers import NameField, StrictSerializer

#: One of the rules, from the very types that check it.
RULE_SCHEMA = {"oneOf": list(msgspec.json.schema_components(RULES.values())[1].values())}
MAX_REASON = 1024


@extend_schema_field(RULE_SCHEMA)
class RuleField(serializers.DictField):
    pass


class ActionsField(serializers.ListField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=serializers.CharField(), max_length=settings.TELEMETRY_ACTIONS_PER_STATE, **kwargs
        )


@extend_schema_field(OpenApiTypes.DATETIME)
class MomentField(serializers.Field[datetime, str, str, Any]):
    """A time as the parameters of queries are read."""

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            raise serializers.ValidationError("A time must be a text.")
        try:
            return moment(data)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: Any) -> str:
        return str(value)


class ConstraintField(serializers.Serializer[Any]):
    """Open for `duration` seconds from each time of the cron expression `start` on."""

    name = serializers.CharField(max_length=255)
    description = serializers.CharField(required=False)
    start = serializers.CharField()
    duration = serializers.IntegerField(min_value=0)
    timezone = serializers.CharField(required=False)


class TemplateSerializer(serializers.Serializer[Any]):
    """What mails and chats say instead of the usual words."""

    subject = serializers.CharField(required=False)
    body = serializers.CharField(required=False)


class PolicySerializer(serializers.Serializer[Any]):
    """What an alarm does beyond its rule; times are seconds (docs/reference/alarm-policy.md)."""

    keep_firing_for = serializers.IntegerField(min_value=0, required=False)
    recovery_threshold = serializers.FloatField(required=False)
    no_data = serializers.ChoiceField(get_args(NoData), required=False)
    no_data_for = serializers.IntegerField(min_value=0, required=False)
    repeat_interval = serializers.IntegerField(min_value=1, required=False)
    mute = ConstraintField(many=True, required=False)
    template = TemplateSerializer(required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`for` is no name that a class could have."""
        return {"for": serializers.IntegerField(min_value=0, required=False)} | super().get_fields()


class PolicyStatusSerializer(serializers.Serializer[Any]):
    """Where the alarm stands between its states, as the last evaluation left it."""

    phase = serializers.CharField()
    since = serializers.DateTimeField()
    fired_at = serializers.DateTimeField(allow_null=True)
    acked_by = serializers.CharField(allow_null=True)
    silenced_by = serializers.ListField(child=serializers.UUIDField())
    inhibited_by = serializers.ListField(child=serializers.UUIDField())


class DefinitionSerializer(serializers.Serializer[Any]):
    """What people write of an alarm."""

    name = serializers.CharField(max_length=lifecycle.MAX_NAME)
    type = serializers.ChoiceField(Type.choices)
    rule = RuleField()
    description = serializers.CharField(max_length=lifecycle.MAX_TEXT, required=False)
    enabled = serializers.BooleanField(default=True)
    severity = serializers.ChoiceField(Severity.choices, default=Severity.LOW)
    repeat_actions = serializers.BooleanField(default=False)
    ok_actions = ActionsField(required=False)
    alarm_actions = ActionsField(required=False)
    insufficient_data_actions = ActionsField(required=False)
    time_constraints = ConstraintField(many=True, required=False)
    policy = PolicySerializer(required=False, allow_null=True)


class NewAlarmSerializer(DefinitionSerializer):
    project_id = serializers.CharField(required=False, allow_null=True)


class ChangedAlarmSerializer(DefinitionSerializer):
    """With `definition_version` the change is made only if the alarm still has that one."""

    definition_version = serializers.IntegerField(required=False)


class AlarmListSerializer(serializers.ListSerializer[Any]):
    """Asks once for all that stands of the alarms of a page."""

    def to_representation(self, data: Any) -> list[Any]:
        assert isinstance(self.child, AlarmSerializer)
        self.child.standings = standings(data)
        return super().to_representation(data)


class AlarmSerializer(serializers.ModelSerializer[Alarm]):
    """`policy` and `policy_status` are there only of an alarm that has a policy."""

    rule = RuleField()
    rule_in_words = serializers.SerializerMethodField()
    ok_actions = ActionsField()
    alarm_actions = ActionsField()
    insufficient_data_actions = ActionsField()
    time_constraints = ConstraintField(many=True)
    state_reason_data = serializers.DictField()
    policy = PolicySerializer(required=False)
    policy_status = serializers.SerializerMethodField()

    standings: Mapping[UUID, Standing] = {}

    class Meta:
        model = Alarm
        list_serializer_class = AlarmListSerializer
        fields = [
            "id", "name", "description", "enabled", "type", "rule", "rule_in_words", "severity",
            "project_id", "user_id", "ok_actions", "alarm_actions", "insufficient_data_actions",
            "repeat_actions", "time_constraints", "created_at", "updated_at",
            "definition_version", "state", "state_reason", "state_reason_data",
            "state_timestamp", "evaluate_at", "evaluation_error", "policy", "policy_status",
        ]  # fmt: skip

    def get_rule_in_words(self, alarm: Alarm) -> str:
        try:
            return sentence(parse_rule(alarm.type, alarm.rule))
        except DefinitionError as error:
            return f"no rule that could be evaluated: {error}"

    @extend_schema_field(PolicyStatusSerializer(required=False))
    def get_policy_status(self, alarm: Alarm) -> dict[str, Any]:
        if alarm.pk not in self.standings:
            self.standings = standings([alarm])
        return {} if alarm.policy is None else self.standings[alarm.pk]._asdict()

    def to_representation(self, instance: Alarm) -> dict[str, Any]:
        alarm = super().to_representation(instance)
        if instance.policy is None:
            del alarm["policy"], alarm["policy_status"]
        whole = may_edit(self.context["view"].principal, instance.project_id)
        return with_urls(alarm, without_trust if whole else shown)


def with_urls(fields: dict[str, Any], as_shown: Callable[[str], str]) -> dict[str, Any]:
    """The fields with the actions among them as they are shown: without trusts to people who may
    edit, and to others only where they lead."""
    actions = {
        name: [as_shown(url) for url in fields[name]] for name in ACTION_FIELDS if name in fields
    }
    return fields | actions


class HistorySerializer(serializers.ModelSerializer[AlarmHistory]):
    """`detail`: the whole alarm, the changed fields, or the new state with its reason."""

    id = serializers.UUIDField(source="event_id")
    detail = serializers.DictField()

    class Meta:
        model = AlarmHistory
        fields = [
            "id", "alarm_id", "type", "timestamp", "user_id", "project_id", "severity",
            "from_state", "to_state", "state_version", "detail",
        ]  # fmt: skip

    def to_representation(self, instance: AlarmHistory) -> dict[str, Any]:
        row = super().to_representation(instance)
        whole = may_edit(self.context["view"].principal, instance.project_id)
        return row | {"detail": with_urls(row["detail"], without_trust if whole else shown)}


class StateSerializer(serializers.ModelSerializer[Alarm]):
    reason = serializers.CharField(source="state_reason")
    timestamp = serializers.DateTimeField(source="state_timestamp")

    class Meta:
        model = Alarm
        fields = ["state", "reason", "timestamp"]


class StateRequestSerializer(StrictSerializer):
    state = serializers.ChoiceField(State.choices)
    reason = serializers.CharField(
        max_length=MAX_REASON, trim_whitespace=False, default=lifecycle.MANUALLY
    )


class TestRequestSerializer(StrictSerializer):
    state = serializers.ChoiceField(State.choices, default=State.ALARM)


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """`url` is never whole. `next_attempt_at` is null where none will be made."""

    url = serializers.SerializerMethodField()
    next_attempt_at = serializers.SerializerMethodField()
    silenced_by = serializers.ListField(child=serializers.UUIDField())
    inhibited_by = serializers.ListField(child=serializers.UUIDField())

    class Meta:
        model = Notification
        fields = [
            "id", "alarm_id", "alarm_name", "project_id", "severity", "is_test", "previous",
            "current", "url", "destination", "created_at", "status", "attempts",
            "next_attempt_at", "last_status", "last_error", "delivered_at", "silenced_by",
            "inhibited_by", "released_at",
        ]  # fmt: skip

    def get_url(self, row: Notification) -> str:
        return shown(row.url)

    def get_next_attempt_at(self, row: Notification) -> datetime | None:
        return row.next_attempt_at if row.status == Delivery.PENDING else None


class AttemptSerializer(serializers.ModelSerializer[NotificationAttempt]):
    """`answer`, the beginning of what the receiver said, is for administrators; else null."""

    answer = serializers.SerializerMethodField()

    class Meta:
        model = NotificationAttempt
        fields = ["number", "started_at", "duration_s", "status_code", "error", "answer"]

    def get_answer(self, attempt: NotificationAttempt) -> str | None:
        return attempt.answer if self.context["view"].principal.is_admin else None


class NotificationDetailSerializer(NotificationSerializer):
    """With the body as it is sent, and every attempt."""

    tries = AttemptSerializer(many=True)

    class Meta(NotificationSerializer.Meta):
        fields = [*NotificationSerializer.Meta.fields, "body", "tries"]


class SentSerializer(serializers.Serializer[Any]):
    """The notifications that a test has made."""

    notifications = NotificationSerializer(many=True)


class PreviewRequestSerializer(StrictSerializer):
    """`start` is 24 h before `stop` unless told, or later where that would be too many steps."""

    type = serializers.ChoiceField(Type.choices)
    rule = RuleField()
    start = MomentField(required=False)
    stop = MomentField(required=False)
    project_id = NameField(required=False)


class TriedAlarmSerializer(DefinitionSerializer):
    name = serializers.CharField(required=False)


class DryRunRequestSerializer(StrictSerializer):
    """`alarm` is a definition as an alarm is made of it. [start, stop) is the last week unless
    told, or less where that would be too many evaluations."""

    alarm = extend_schema_field(TriedAlarmSerializer)(serializers.DictField)()
    start = MomentField(required=False)
    stop = MomentField(required=False)
    project_id = NameField(required=False)


class StepSerializer(serializers.Serializer[Any]):
    """An evaluation. `values` has a list for each part of the rule, oldest first."""

    timestamp = serializers.DateTimeField()
    state = serializers.ChoiceField(State.choices)
    phase = serializers.CharField()
    reason = serializers.CharField()
    values = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))


class DryRunSerializer(serializers.Serializer[Any]):
    """`fired` is how often it would have gone to alarm; `note` says what can't be told."""

    start = serializers.DateTimeField()
    stop = serializers.DateTimeField()
    fired = serializers.IntegerField()
    note = serializers.CharField()
    steps = StepSerializer(many=True)


class PointSerializer(serializers.Serializer[Any]):
    timestamp = serializers.DateTimeField()
    value = serializers.FloatField()


class TransitionSerializer(serializers.Serializer[Any]):
    timestamp = serializers.DateTimeField()
    state = serializers.ChoiceField(State.choices)


class PreviewSerializer(serializers.Serializer[Any]):
    """`transitions` are where the state would have changed in [start, stop); `current` and
    `reason` are what an evaluation right now says. `series` is how many metrics the rule finds,
    `problem` why it can't say more."""

    start = serializers.DateTimeField()
    stop = serializers.DateTimeField()
    rule_in_words = serializers.CharField()
    series = serializers.IntegerField()
    points = PointSerializer(many=True)
    transitions = TransitionSerializer(many=True)
    current = serializers.ChoiceField(State.choices)
    reason = serializers.CharField()
    problem = serializers.CharField()
