"""Alarms: list, make, show, change, delete; state, test, preview."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from alarms import budget, cautions, lifecycle, preview
from alarms.api import serializers
from alarms.api.base import AlarmingView, AlarmView
from alarms.api.filters import AlarmFilters
from alarms.choices import ACTIONS_OF_STATE
from alarms.definition import Rule
from alarms.definition.words import sentence
from alarms.errors import DefinitionError
from alarms.evaluator.walking import plan_of
from alarms.models import Alarm
from alarms.outbox import send_test
from meters.api.base import DetailView, ListView
from meters.api.errors import ConflictError
from meters.api.projects import project_to_read, project_to_write
from telemetry_site import clock
from telemetry_site.auth.principal import Scope

log = structlog.get_logger(__name__)

DEFAULT_SPAN = timedelta(hours=24)


class AlarmList(AlarmingView, ListView):
    """Alarms of the caller's projects, the last changed first unless told."""

    serializer_class = serializers.AlarmSerializer
    filterset_class = AlarmFilters
    orderings = {
        "-updated_at": ("-updated_at", "id"),
        "updated_at": ("updated_at", "-id"),
        "name": ("name", "id"),
        "-name": ("-name", "-id"),
        "state_timestamp": ("state_timestamp", "id"),
        "-state_timestamp": ("-state_timestamp", "-id"),
    }

    def get_queryset(self) -> QuerySet[Alarm]:
        return self.alarms()

    @extend_schema(
        operation_id="alarms_create",
        request=serializers.NewAlarmSerializer,
        responses={201: serializers.AlarmSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make an alarm. It is evaluated at once."""
        given = fields_of(request.data)
        project = project_to_write(self.principal, asked_project(given)) or None
        fields = lifecycle.check(given)
        lifecycle.check_actions(fields, project, self.principal.is_admin)
        alarm = lifecycle.create(fields, project, self.principal.user_id)
        address = request.build_absolute_uri(reverse("alarms-api:alarm", args=[alarm.pk]))
        headers = {"Location": address} | cautions.headers_of(alarm)
        return self.answer(alarm, 201, headers=headers)


class AlarmDetail(AlarmView, DetailView):
    """One alarm."""

    serializer_class = serializers.AlarmSerializer

    @extend_schema(operation_id="alarms_replace", request=serializers.ChangedAlarmSerializer)
    def put(self, request: Request, uuid: Any) -> Response:
        """Replace the definition: a field that is not given gets its default; a `policy` stays."""
        alarm, given = self.editable_alarm(), fields_of(request.data)
        version = _version(given)
        return self._change(alarm, lifecycle.check(given, alarm.policy), version)

    @extend_schema(operation_id="alarms_change", request=serializers.ChangedAlarmSerializer)
    def patch(self, request: Request, uuid: Any) -> Response:
        """Change the fields that are given; a `rule` is given whole."""
        alarm, given = self.editable_alarm(), fields_of(request.data)
        version = _version(given)
        whole = {name: getattr(alarm, name) for name in lifecycle.FIELDS}
        checked = lifecycle.check(whole | given)
        version = alarm.definition_version if version is None else version
        return self._change(alarm, {name: checked[name] for name in given}, version)

    def _change(self, alarm: Alarm, fields: dict[str, Any], version: int | None) -> Response:
        lifecycle.check_actions(fields, alarm.project_id, self.principal.is_admin, alarm)
        return self.answer(lifecycle.change(alarm, fields, self.principal.user_id, version))

    @extend_schema(operation_id="alarms_delete", responses={204: None})
    def delete(self, request: Request, uuid: Any) -> Response:
        """Delete the alarm and cancel what waits to be sent for it. Its history stays."""
        lifecycle.delete(self.editable_alarm(), self.principal.user_id)
        return Response(status=204)


class AlarmState(AlarmView):
    """The state alone."""

    serializer_class = serializers.StateSerializer

    @extend_schema(operation_id="alarms_state")
    def get(self, request: Request, uuid: Any) -> Response:
        return self.answer(self.get_object())

    @extend_schema(operation_id="alarms_set_state", request=serializers.StateRequestSerializer)
    def put(self, request: Request, uuid: Any) -> Response:
        """Set the state by hand. No action is taken, and the next evaluation goes on from it."""
        alarm = self.editable_alarm()
        asked = serializers.StateRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        state, reason = asked.validated_data["state"], asked.validated_data["reason"]
        return self.answer(lifecycle.set_state(alarm, state, self.principal.user_id, reason))


class AlarmTest(AlarmView):
    """A test message to each action of a state."""

    serializer_class = serializers.SentSerializer

    @extend_schema(
        operation_id="alarms_test",
        request=serializers.TestRequestSerializer,
        responses={202: serializers.SentSerializer},
    )
    def post(self, request: Request, uuid: Any) -> Response:
        """Send a test message to each action of `state` (alarm unless told). The state stays."""
        alarm = self.editable_alarm()
        asked = serializers.TestRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        state = asked.validated_data["state"]
        if not alarm.actions(state):
            raise ConflictError(f"The alarm has no {ACTIONS_OF_STATE[state]}: nothing to send.")
        budget.take(self.principal, alarm.project_id)
        ids = [row.pk for row in send_test(alarm, state, self.principal.name)]
        log.info("alarm tested", alarm=str(alarm.pk), state=state, by=self.principal.name)
        rows = self.notifications().filter(pk__in=ids).order_by("action_no")
        return self.answer({"notifications": rows}, 202)


class Preview(AlarmingView):
    """What a rule would have done."""

    scopes: dict[str, Scope] = {"POST": "read"}
    serializer_class = serializers.PreviewSerializer

    @extend_schema(
        operation_id="alarms_preview",
        request=serializers.PreviewRequestSerializer,
        responses=serializers.PreviewSerializer,
    )
    def post(self, request: Request) -> Response:
        """Evaluate a rule over the past and right now; nothing is stored, nothing is sent."""
        asked = serializers.PreviewRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        plan = plan_of(data)
        project = project_to_read(self.principal, data.get("project_id")) or None
        now = clock.now()
        stop = data.get("stop", now)
        start = data.get("start", stop - min(DEFAULT_SPAN, preview.longest(plan)))
        found = preview.preview(plan, project, start, stop, now)
        return Response(_as_json(plan.rule, start, stop, found))


def fields_of(data: Any) -> dict[str, Any]:
    """The body's fields."""
    if not isinstance(data, Mapping):
        raise DefinitionError("", "The body must be an object with the fields of an alarm.")
    return dict(data)


def asked_project(fields: dict[str, Any]) -> str | None:
    """Takes `project_id` out of the fields."""
    asked = fields.pop("project_id", None)
    return None if asked is None else lifecycle.check_name("project_id", asked)


def _version(fields: dict[str, Any]) -> int | None:
    """Takes `definition_version` out of the fields."""
    version = fields.pop("definition_version", None)
    if isinstance(version, bool) or not isinstance(version, int | None):
        raise DefinitionError("definition_version", "must be a whole number")
    return version


def _as_json(rule: Rule, start: datetime, stop: datetime, found: preview.Preview) -> dict[str, Any]:
    """As `PreviewSerializer` describes it; a preview may have many points."""
    return {
        "start": start,
        "stop": stop,
        "rule_in_words": sentence(rule),
        "series": found.series,
        "points": [{"timestamp": at, "value": value} for at, value in found.points],
        "transitions": [{"timestamp": at, "state": state} for at, state in found.transitions],
        "current": found.current,
        "reason": found.reason,
        "problem": found.problem,
    }
