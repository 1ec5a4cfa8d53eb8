"""How receivers and routes look in answers; routes in those of the alarming API too. What comes in
is checked by `alarms.telling`. An address may hold a secret, and is whole only for whoever may
edit it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from alarms.api.base import may_edit
from alarms.choices import RECEIVER, Delivery, Severity, Type
from alarms.models import Receiver, Route
from alarms.notifier.urls import shown
from alarms.telling.matching import GROUP_LABELS
from alarms.telling.routes import TIMES


class TemplateSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField(required=False)
    body = serializers.CharField(required=False)


class NewReceiverSerializer(serializers.Serializer[Any]):
    """`url` is any action but a receiver or a route. `secret` signs its webhooks in place of the
    installation's secrets; `template` is for mail and chat, where an alarm has none of its own."""

    name = serializers.CharField(max_length=64)
    url = serializers.CharField()
    secret = serializers.CharField(required=False, allow_blank=True, write_only=True)
    template = TemplateSerializer(required=False, allow_null=True)
    project_id = serializers.CharField(required=False, allow_null=True)


class ChangedReceiverSerializer(serializers.Serializer[Any]):
    """What is not given stays; an empty `secret` takes it away."""

    name = serializers.CharField(required=False, max_length=64)
    url = serializers.CharField(required=False)
    secret = serializers.CharField(required=False, allow_blank=True, write_only=True)
    template = TemplateSerializer(required=False, allow_null=True)


class LastSerializer(serializers.Serializer[Any]):
    """What became of the newest message to a receiver."""

    status = serializers.ChoiceField(Delivery.choices, source="last_status")
    status_code = serializers.IntegerField(source="last_code", allow_null=True)
    error = serializers.CharField(source="last_error")
    created_at = serializers.DateTimeField(source="last_at")


class ReceiverSerializer(serializers.ModelSerializer[Receiver]):
    """`action` is what alarms and routes name it by; `last` is null where nothing was sent yet;
    `left_alone_until` where its host failed time and again."""

    url = serializers.SerializerMethodField()
    action = serializers.SerializerMethodField()
    has_secret = serializers.SerializerMethodField()
    template = TemplateSerializer(allow_null=True)
    last = serializers.SerializerMethodField()
    left_alone_until = serializers.DateTimeField(source="open_until", allow_null=True)

    class Meta:
        model = Receiver
        fields = [
            "id", "name", "action", "url", "has_secret", "template", "project_id", "user_id",
            "created_at", "updated_at", "last", "left_alone_until",
        ]  # fmt: skip

    def get_url(self, one: Receiver) -> str:
        whole = may_edit(self.context["view"].principal, one.project_id)
        return one.url if whole else shown(one.url)

    def get_action(self, one: Receiver) -> str:
        return f"{RECEIVER}{one.name}"

    def get_has_secret(self, one: Receiver) -> bool:
        return bool(one.secret)

    @extend_schema_field(LastSerializer(allow_null=True))
    def get_last(self, one: Any) -> Any:
        return LastSerializer(one).data if one.last_status else None


class TriedSerializer(serializers.Serializer[Any]):
    """The first attempt: `pending` is one that was not through in time."""

    status = serializers.ChoiceField(["delivered", "failed", "pending"])
    status_code = serializers.IntegerField(source="code", allow_null=True)
    error = serializers.CharField()
    took_ms = serializers.IntegerField(allow_null=True)


class MatchSerializer(serializers.Serializer[Any]):
    """What an alarm must be; ``*`` in `name` stands for any characters. `project` is for routes of
    the installation."""

    name = serializers.CharField(required=False)
    severity = serializers.ChoiceField(Severity.choices, required=False)
    type = serializers.ChoiceField(Type.choices, required=False)
    project = serializers.CharField(required=False)


def _seconds(name: str) -> serializers.IntegerField:
    least, most, usual = TIMES[name]
    return serializers.IntegerField(min_value=least, max_value=most, default=usual)


class NewRouteSerializer(serializers.Serializer[Any]):
    """Alarms with the action ``route://`` that `match` fits, and that agree in `group_by`, are told
    at once: `wait` seconds after the first, and every `interval` from then on."""

    match = MatchSerializer(required=False)
    group_by = serializers.ListField(
        child=serializers.ChoiceField([(name, name) for name in GROUP_LABELS]), required=False
    )
    wait = _seconds("wait")
    interval = _seconds("interval")
    repeat_interval = _seconds("repeat_interval")
    actions = serializers.ListField(child=serializers.CharField())
    position = serializers.IntegerField(default=0)
    project_id = serializers.CharField(required=False, allow_null=True)


class RouteSerializer(serializers.ModelSerializer[Route]):
    match = MatchSerializer()
    group_by = serializers.ListField(child=serializers.CharField())
    actions = serializers.SerializerMethodField()

    class Meta:
        model = Route
        fields = [
            "id", "match", "group_by", "wait", "interval", "repeat_interval", "actions",
            "position", "project_id", "user_id", "created_at", "updated_at",
        ]  # fmt: skip

    def get_actions(self, route: Route) -> list[str]:
        may_see = self.context["may_see"]
        return route.actions if may_see(route) else [shown(url) for url in route.actions]
