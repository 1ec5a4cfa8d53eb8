"""Test firing: what each receiver of a state says, while the state stays."""

from __future__ import annotations

from typing import Any

import structlog
from django.http import HttpResponse
from rest_framework.request import Request

from alarms import budget, trying
from alarms.alarming_api.base import AlarmingView
from alarms.choices import State
from alarms.notifier.schemes.trust import without_trust
from meters.wsme import values

log = structlog.get_logger(__name__)


class AlarmTest(AlarmingView):
    def post(self, request: Request, alarm_id: str) -> HttpResponse:
        """The first attempt at each action of `state` (alarm unless told); those that are not
        through in time are `pending`. 429 when it is asked for too often."""
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_write)
        body: dict[str, Any] = self.object_body("body") if self.has_body else {}
        values.check_known(body, ("state",), "body")
        state = values.one_of("state", State.values, body.get("state", State.ALARM.value))
        if not alarm.actions(state):
            return self.answer([])
        budget.take(self.caller, alarm.project_id)
        log.info("alarm tested", alarm=str(alarm.pk), state=state, by=self.caller.user_id)
        return self.answer(
            [
                {
                    "action": without_trust(one.action), "status": one.status,
                    "status_code": one.code, "error": one.error, "took_ms": one.took_ms,
                }
                for one in trying.fire(alarm, state, self.caller.user_id)
            ]
        )  # fmt: skip
