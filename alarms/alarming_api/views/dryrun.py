"""What an alarm would have done, before it is made (alarms.md 8.2, 17)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from alarms import preview
from alarms.alarming_api.base import AlarmingView
from alarms.alarming_api.reading import read_alarm
from alarms.alarming_api.shapes import time_text
from alarms.alarming_api.views.alarms import owner_of
from alarms.cautions import as_header
from alarms.evaluator.walking import plan_of
from alarms.preview import Tried
from meters.api.params import moment
from meters.wsme import values
from meters.wsme.errors import invalid
from telemetry_site import clock
from telemetry_site.clock import from_us

_NAMES = frozenset(["alarm", "start", "stop"])


class DryRun(AlarmingView):
    scopes = {"POST": "read"}

    def post(self, request: Request) -> HttpResponse:
        """The state at each evaluation in [start, stop), a week until now unless told. Nothing is
        stored or sent."""
        self.require(self.may_read)
        body = self.object_body("data")
        values.check_known(body, _NAMES, "data")
        if not isinstance(body.get("alarm"), dict):
            raise invalid("alarm", body.get("alarm"), "It must be an alarm")
        asked = read_alarm(body["alarm"])
        project, _ = owner_of(self, asked)
        sees_all = self.caller.is_admin and project == self.own_project
        plan = plan_of(asked.definition)
        now = clock.now()
        stop = _moment(body, "stop", now)
        start = _moment(body, "start", stop - preview.span(plan))
        tried = preview.dry_run(plan, None if sees_all else project, start, stop, now, asked.state)
        answer = self.answer([_row(one) for one in tried])
        answer["Warning"] = as_header(preview.NOTE)
        return answer


def _moment(body: dict[str, Any], name: str, usual: datetime) -> datetime:
    if body.get(name) is None:
        return usual
    text = values.text(name, body[name])
    try:
        return moment(text)
    except ValueError as error:
        raise invalid(name, text, str(error)) from error


def _row(one: Tried) -> dict[str, Any]:
    """A rule with one part has one list of values, a composite one a list of lists."""
    values = one.plain
    return {
        "timestamp": time_text(from_us(one.step.at_us)),
        "state": one.step.state,
        "reason": one.step.reason,
        "values": values[0] if len(values) == 1 else values,
    }
