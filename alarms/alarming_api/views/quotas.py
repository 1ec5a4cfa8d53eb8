"""How many alarms a project may have, and how often each alarm was in which state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from alarms import lifecycle
from alarms.alarming_api.base import AlarmingView
from alarms.choices import State
from alarms.models import Alarm, AlarmQuota, EvaluationCount
from meters.wsme import values
from meters.wsme.errors import Fault, bad, foreign, invalid
from meters.wsme.typed import converted
from telemetry_site.auth.principal import Scope

RESOURCE = "alarms"
LARGEST = 2**31 - 1


class QuotaView(AlarmingView):
    """Only administrators set quotas."""

    parameters = None
    scopes: Mapping[str, Scope] = {
        "GET": "read", "HEAD": "read", "POST": "admin", "DELETE": "admin",
    }  # fmt: skip

    def shown(self, project_id: str, status: int = 200) -> HttpResponse:
        quotas = [{"resource": RESOURCE, "limit": lifecycle.quota(project_id)}]
        return self.answer({"project_id": project_id, "quotas": quotas}, status)


class Quotas(QuotaView):
    def get(self, request: Request) -> HttpResponse:
        """Reading makes no row: what is not set is what the settings say."""
        asked = request.GET.get("project_id") or self.caller.project_id
        if asked != self.caller.project_id and not self.caller.is_admin:
            raise foreign("project", asked)
        self.require(self.may_read)
        return self.shown(asked)

    def post(self, request: Request) -> HttpResponse:
        self.require(self.caller.is_admin)
        project_id, limit = _asked(self.object_body("body"))
        if limit is not None:
            AlarmQuota.objects.update_or_create(pk=project_id, defaults={"limit": limit})
        return self.shown(project_id, 201)


class OneQuota(QuotaView):
    def delete(self, request: Request, project_id: str) -> HttpResponse:
        """Back to what the settings say."""
        self.require(self.caller.is_admin)
        AlarmQuota.objects.filter(pk=project_id).delete()
        return self.no_content()


def _asked(body: dict[str, Any]) -> tuple[str, int | None]:
    """The project and its limit, if one is given. Raises `Fault`."""
    values.check_known(body, ("project_id", "quotas"), "body")
    if body.get("project_id") is None:
        raise invalid("project_id", None, values.MISSING)
    project_id = lifecycle.check_name("project_id", values.text("project_id", body["project_id"]))
    limit = None
    try:
        for one in values.listed([] if body.get("quotas") is None else body["quotas"]):
            limit = _limit(one)
    except values.UnreadableError as error:
        raise invalid("body", repr(body), str(error)) from error
    return project_id, limit


def _limit(one: Any) -> int:
    if not isinstance(one, dict):
        raise values.UnreadableError(f"Value not a valid object: {one}")
    values.check_known(one, ("resource", "limit"), "body.quotas")
    for name in ("resource", "limit"):
        if one.get(name) is None:
            raise invalid(name, None, values.MISSING)
    values.one_of("resource", (RESOURCE,), one["resource"])
    try:
        limit = int(one["limit"])
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid("limit", one["limit"], "It must be a whole number.") from error
    if limit < -1:
        raise invalid("limit", limit, "Value should be greater or equal to -1")
    return min(limit, LARGEST)


class Metrics(AlarmingView):
    """Counts of evaluations, where they are counted at all."""

    parameters = ("all_projects",)

    def get(self, request: Request) -> HttpResponse:
        if not settings.TELEMETRY_EVALUATION_COUNTS:
            raise Fault(403, "metrics endpoint is disabled")
        wants_all = _flag(request.GET.get("all_projects", "false"))
        self.require(self.caller.is_admin if wants_all else self.may_read)
        rows = EvaluationCount.objects.select_related("alarm").order_by("alarm_id")
        if not wants_all:
            rows = rows.filter(alarm__in=Alarm.objects.filter(self.of_own))
        return self.answer({"evaluation_results": [_counts(row) for row in rows]})


def _flag(text: str) -> bool:
    try:
        return bool(converted(text, "boolean"))
    except ValueError as error:
        words = f"Unable to convert the value {text} to the expected data type boolean."
        raise bad(words) from error


def _counts(row: EvaluationCount) -> dict[str, Any]:
    return {
        "alarm_id": str(row.alarm_id),
        "project_id": row.alarm.project_id,
        "state_counters": {
            State.INSUFFICIENT_DATA.value: row.insufficient_data,
            State.OK.value: row.ok,
            State.ALARM.value: row.alarming,
        },
    }
