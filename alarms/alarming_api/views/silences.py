"""Silences in Alertmanager's form, and acknowledgements; aodh has neither."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from alarms.alarming_api import paging, rows
from alarms.alarming_api.base import AlarmingView, root_url
from alarms.api import muting
from alarms.choices import SilenceState
from alarms.models import Alarm, Silence
from alarms.muting import acks, matchers, silences
from meters.wsme.errors import Fault, bad, invalid
from telemetry_site.auth.principal import Scope

SHOWN = 1000
NO_SILENCE = "Silence ID not found"


class SilenceView(AlarmingView):
    def visible_silence(self, given: Any) -> Silence:
        found: Silence | None = self.visible_row(Silence.objects.all(), given)
        if found is None:
            raise Fault(404, NO_SILENCE)
        return found


class Silences(SilenceView):
    parameters = ("filter", "state", *paging.NAMES)

    def get(self, request: Request) -> HttpResponse:
        """`filter` as in Alertmanager, any number: ``name="web"``; the last to end first."""
        self.require(self.may_read)
        found: QuerySet[Silence] = Silence.objects.filter(self.visible)
        state = request.GET.get("state", "")
        if state and state not in SilenceState.values:
            raise invalid("state", state, f"Value should be one of: {', '.join(SilenceState)}")
        if state:
            found = found.in_state(state)  # type: ignore[attr-defined]
        wanted = [_condition(text) for text in request.GET.getlist("filter")]
        listed = paging.page(found.filter(*wanted), request.GET, rows.SILENCES)
        return self.answer(muting.SilenceSerializer(listed, many=True).data)

    def post(self, request: Request) -> HttpResponse:
        """Make one, or change the one whose `id` is given."""
        self.require(self.may_write)
        given = self.object_body("body")
        old = self.visible_silence(given.pop("id")) if given.get("id") else None
        given.pop("id", None)
        asked = silences.check(given)
        if old is None:
            silence = silences.create(asked, self.own_project, self.caller.user_id)
        else:
            silence = silences.change(old, asked, self.caller.user_id)
        shown = muting.SilenceSerializer(silence).data | {"silenceID": str(silence.pk)}
        if old is not None and old.pk == silence.pk:
            return self.answer(shown)
        return self.created(shown, f"{root_url(request)}/v2/silences/{silence.pk}")


def _condition(text: str) -> Q:
    try:
        return silences.filter_of(text)
    except ValueError as error:
        raise bad(str(error)) from error


class OneSilence(SilenceView):
    def get(self, request: Request, silence_id: str) -> HttpResponse:
        silence = self.visible_silence(silence_id)
        self.require(self.may_read)
        return self.answer(muting.SilenceSerializer(silence).data)

    def delete(self, request: Request, silence_id: str) -> HttpResponse:
        """End it now; it is shown for 30 days more."""
        silence = self.visible_silence(silence_id)
        self.require(self.may_write)
        silences.expire(silence, self.caller.user_id)
        return self.no_content()


class SilencePreview(AlarmingView):
    """Which of the own project's alarms matchers fit now."""

    scopes: Mapping[str, Scope] = {"POST": "read"}

    def post(self, request: Request) -> HttpResponse:
        self.require(self.may_read)
        asked = matchers.check("matchers", self.object_body("body").get("matchers"))
        found = silences.fitting(asked, self.own_project, SHOWN)
        alarms = Alarm.objects.filter(pk__in=found.ids).order_by("name", "pk")
        shown = {"total": found.total, "alarms": alarms}
        return self.answer(muting.FittingSerializer(shown).data)


class AlarmAcknowledgement(AlarmingView):
    def get(self, request: Request, alarm_id: str) -> HttpResponse:
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_read)
        ack = acks.of_alarms([alarm.pk]).get(alarm.pk)
        if ack is None:
            raise Fault(404, "The alarm is not acknowledged.")
        return self.answer(muting.AckSerializer(ack).data)

    def post(self, request: Request, alarm_id: str) -> HttpResponse:
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_write)
        asked = acks.check(self.object_body("body"))
        ack = acks.acknowledge(alarm, asked, self.caller.user_id, self.caller.user_id)
        return self.answer(muting.AckSerializer(ack).data)

    def delete(self, request: Request, alarm_id: str) -> HttpResponse:
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_write)
        acks.take_back(alarm, self.caller.user_id)
        return self.no_content()
