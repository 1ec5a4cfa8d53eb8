"""How silences and acknowledgements look in answers, of this door and of the alarming API: in
Alertmanager's words. What comes in is checked by `alarms.muting`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from alarms.models import Alarm, AlarmAck, Inhibition, Silence
from alarms.muting.matchers import LABELS


class MatcherSerializer(serializers.Serializer[Any]):
    """A label that must be (`isEqual`) or not be `value`, as text or as a regular expression for
    the whole of it."""

    name = serializers.ChoiceField([(name, name) for name in LABELS])
    value = serializers.CharField()
    isRegex = serializers.BooleanField(default=False)
    isEqual = serializers.BooleanField(default=True)


class SilenceStatusSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(["pending", "active", "expired"])


class NewSilenceSerializer(serializers.Serializer[Any]):
    """All are required; with the `id` of a silence that one is changed."""

    id = serializers.UUIDField(required=False)
    matchers = MatcherSerializer(many=True)
    startsAt = serializers.DateTimeField()
    endsAt = serializers.DateTimeField()
    createdBy = serializers.CharField(max_length=255)
    comment = serializers.CharField()
    project_id = serializers.CharField(required=False, allow_null=True)


class SilenceSerializer(serializers.ModelSerializer[Silence]):
    """`user_id` is who wrote it last, `expired_by` who ended it before its time."""

    status = SilenceStatusSerializer(source="*")
    matchers = MatcherSerializer(many=True)
    startsAt = serializers.DateTimeField(source="starts_at")
    endsAt = serializers.DateTimeField(source="ends_at")
    updatedAt = serializers.DateTimeField(source="updated_at")
    createdBy = serializers.CharField(source="created_by")
    expired_by = serializers.CharField(source="ended_by")

    class Meta:
        model = Silence
        fields = [
            "id", "status", "matchers", "startsAt", "endsAt", "updatedAt", "createdBy", "comment",
            "project_id", "user_id", "expired_by",
        ]  # fmt: skip


class MatchersSerializer(serializers.Serializer[Any]):
    matchers = MatcherSerializer(many=True)
    project_id = serializers.CharField(required=False, allow_null=True)


class FittingAlarmSerializer(serializers.ModelSerializer[Alarm]):
    alarm_id = serializers.UUIDField(source="id")

    class Meta:
        model = Alarm
        fields = ["alarm_id", "name", "type", "severity", "state"]


class FittingSerializer(serializers.Serializer[Any]):
    """The alarms that matchers fit now: how many, and the first by name."""

    total = serializers.IntegerField()
    alarms = FittingAlarmSerializer(many=True)


class NewAckSerializer(serializers.Serializer[Any]):
    """Without `until` it holds until the state changes."""

    comment = serializers.CharField()
    until = serializers.DateTimeField(required=False, allow_null=True)


class AckSerializer(serializers.ModelSerializer[AlarmAck]):
    class Meta:
        model = AlarmAck
        fields = ["alarm_id", "comment", "until", "created_by", "user_id", "created_at"]


class NewInhibitionSerializer(serializers.Serializer[Any]):
    """While an alarm that `source` fits is in alarm, those that `target` fits are not told, where
    the labels in `equal` agree."""

    source = MatcherSerializer(many=True)  # type: ignore[assignment]  # a field's name, too
    target = MatcherSerializer(many=True)
    equal = serializers.ListField(child=serializers.CharField(), required=False)
    comment = serializers.CharField(required=False, allow_blank=True)
    project_id = serializers.CharField(required=False, allow_null=True)


class InhibitionSerializer(serializers.ModelSerializer[Inhibition]):
    source = MatcherSerializer(many=True)  # type: ignore[assignment]  # a field's name, too
    target = MatcherSerializer(many=True)
    equal = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Inhibition
        fields = [
            "id", "source", "target", "equal", "comment", "project_id", "user_id", "created_at",
        ]  # fmt: skip
