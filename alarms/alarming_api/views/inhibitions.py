"""Inhibitions; aodh has none."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from alarms.alarming_api import paging, rows
from alarms.alarming_api.base import AlarmingView, root_url
from alarms.api import muting
from alarms.models import Inhibition
from alarms.muting import inhibitions
from meters.wsme.errors import Fault

NO_INHIBITION = "Inhibition ID not found"


class Inhibitions(AlarmingView):
    parameters = paging.NAMES

    def get(self, request: Request) -> HttpResponse:
        """Newest first."""
        self.require(self.may_read)
        found = Inhibition.objects.filter(self.visible)
        listed = paging.page(found, request.GET, rows.INHIBITIONS)
        return self.answer(muting.InhibitionSerializer(listed, many=True).data)

    def post(self, request: Request) -> HttpResponse:
        self.require(self.may_write)
        asked = inhibitions.check(self.object_body("body"))
        made = inhibitions.create(asked, self.own_project, self.caller.user_id)
        shown = muting.InhibitionSerializer(made).data
        return self.created(shown, f"{root_url(request)}/v2/inhibitions/{made.pk}")


class OneInhibition(AlarmingView):
    def get(self, request: Request, inhibition_id: str) -> HttpResponse:
        one = self._visible(inhibition_id)
        self.require(self.may_read)
        return self.answer(muting.InhibitionSerializer(one).data)

    def put(self, request: Request, inhibition_id: str) -> HttpResponse:
        """The whole inhibition: what is absent gets its default."""
        one = self._visible(inhibition_id)
        self.require(self.may_write)
        asked = inhibitions.check(self.object_body("body"))
        try:
            changed = inhibitions.change(one, asked, self.caller.user_id)
        except Inhibition.DoesNotExist as error:
            raise Fault(404, NO_INHIBITION) from error
        return self.answer(muting.InhibitionSerializer(changed).data)

    def delete(self, request: Request, inhibition_id: str) -> HttpResponse:
        one = self._visible(inhibition_id)
        self.require(self.may_write)
        inhibitions.delete(one)
        return self.no_content()

    def _visible(self, inhibition_id: str) -> Inhibition:
        found: Inhibition | None = self.visible_row(Inhibition.objects.all(), inhibition_id)
        if found is None:
            raise Fault(404, NO_INHIBITION)
        return found
