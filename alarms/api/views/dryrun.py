"""What an alarm would have done, before it is made."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from alarms import lifecycle, preview
from alarms.api import serializers
from alarms.api.base import AlarmingView
from alarms.evaluator.walking import plan_of
from meters.api.projects import project_to_read
from telemetry_site import clock
from telemetry_site.auth.principal import Scope
from telemetry_site.clock import from_us


class DryRun(AlarmingView):
    scopes: dict[str, Scope] = {"POST": "read"}
    serializer_class = serializers.DryRunSerializer

    @extend_schema(
        operation_id="alarms_dry_run",
        request=serializers.DryRunRequestSerializer,
        responses=serializers.DryRunSerializer,
    )
    def post(self, request: Request) -> Response:
        """Evaluate an alarm at each of its times in the past. Nothing is stored or sent."""
        asked = serializers.DryRunRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        plan = plan_of(lifecycle.check({"name": "dry run"} | data["alarm"]))
        project = project_to_read(self.principal, data.get("project_id")) or None
        now = clock.now()
        stop = data.get("stop", now)
        start = data.get("start", stop - preview.span(plan))
        tried = preview.dry_run(plan, project, start, stop, now)
        return Response(
            {
                "start": start,
                "stop": stop,
                "fired": preview.fired(tried),
                "note": preview.NOTE,
                "steps": [_row(one) for one in tried],
            }
        )


def _row(one: preview.Tried) -> dict[str, Any]:
    return {
        "timestamp": from_us(one.step.at_us),
        "state": one.step.state,
        "phase": one.step.phase,
        "reason": one.step.reason,
        "values": one.plain,
    }
