"""Filters of the lists of alarms, their history and notifications."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact

from alarms.choices import Change, Delivery, Severity, SilenceState, State, Type
from alarms.muting import silences
from meters.api.errors import BadParameterError
from meters.api.filters import (
    ApiFilterSet,
    ChoiceFilter,
    FlagFilter,
    MomentFilter,
    TextFilter,
    UuidFilter,
    WildcardFilter,
)
from meters.queries import Like, extract


class AlarmFilters(ApiFilterSet):
    q = TextFilter(method="search", label="Text in the name, the description or the rule.")
    name = WildcardFilter(label="Name of the alarm; * stands for any characters.")
    state = ChoiceFilter(choices=State, label="ok, alarm or insufficient data.")
    severity = ChoiceFilter(choices=Severity, label="low, moderate or critical.")
    enabled = FlagFilter(label="Whether it is evaluated at all.")
    type = ChoiceFilter(choices=Type, label="Type of the rule.")
    metric = WildcardFilter(
        method="by_metric", label="Meter that the rule looks at; * stands for any characters."
    )
    resource_id = TextFilter(method="by_resource", label="The rule's resource_id, as it stands.")
    project_id = TextFilter(label="Owner, whole.")

    def search(self, qs: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        with_text: QuerySet[Any] = qs.alias(rule_text=Cast("rule", TextField()))
        return with_text.filter(
            Q(name__icontains=value)
            | Q(description__icontains=value)
            | Q(rule_text__icontains=value)
        )

    def by_metric(self, qs: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return qs.filter(Like(extract("rule", "metric", text=True), Value(value)))

    def by_resource(self, qs: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return qs.filter(Exact(extract("rule", "resource_id", text=True), Value(value)))


class HistoryFilters(ApiFilterSet):
    """Of one alarm's history."""

    type = ChoiceFilter(choices=Change, label="What happened.")
    to_state = ChoiceFilter(choices=State, label="Where a transition went.")
    user_id = TextFilter(label="Who did it, whole.")
    start = MomentFilter(field_name="timestamp", lookup_expr="gte", label="From this time on.")
    stop = MomentFilter(field_name="timestamp", lookup_expr="lt", label="Before this time.")


class AllHistoryFilters(HistoryFilters):
    alarm_id = UuidFilter(label="UUID of the alarm, which may be deleted.")
    project_id = TextFilter(label="Owner at the time, whole.")


class NotificationFilters(ApiFilterSet):
    """Of one alarm's notifications."""

    status = ChoiceFilter(choices=Delivery, label="Where it stands.")
    current = ChoiceFilter(choices=State, label="The state that it tells.")
    destination = TextFilter(label="Scheme, host and port of the receiver: https://host:443")
    receiver_id = UuidFilter(label="UUID of the receiver that the action names.")
    is_test = FlagFilter(label="Whether somebody asked for it as a test.")
    start = MomentFilter(field_name="created_at", lookup_expr="gte", label="From this time on.")
    stop = MomentFilter(field_name="created_at", lookup_expr="lt", label="Before this time.")


class AllNotificationFilters(NotificationFilters):
    alarm_id = UuidFilter(label="UUID of the alarm, which may be deleted.")
    severity = ChoiceFilter(choices=Severity, label="The alarm's at the time.")
    project_id = TextFilter(label="Owner of the alarm, whole.")


class SilenceFilters(ApiFilterSet):
    state = ChoiceFilter(method="by_state", choices=SilenceState, label="By the clock.")
    filter = TextFilter(
        method="by_matcher", label='With such a matcher, name="web", or without: name!="web".'
    )
    user_id = TextFilter(label="Who wrote it last, whole.")
    project_id = TextFilter(label="Owner, whole.")

    def by_state(self, qs: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        found: QuerySet[Any] = qs.in_state(value)  # type: ignore[attr-defined]
        return found

    def by_matcher(self, qs: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        try:
            return qs.filter(silences.filter_of(value))
        except ValueError as error:
            raise BadParameterError(name, f"{error}.") from error


class InhibitionFilters(ApiFilterSet):
    user_id = TextFilter(label="Who made it, whole.")
    project_id = TextFilter(label="Owner, whole.")


class ReceiverFilters(ApiFilterSet):
    name = WildcardFilter(label="Name of the receiver; * stands for any characters.")
    project_id = TextFilter(label="Owner, whole.")


class RouteFilters(ApiFilterSet):
    project_id = TextFilter(label="Owner, whole.")
