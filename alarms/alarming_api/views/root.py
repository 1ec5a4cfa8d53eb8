"""The door itself: versions, and what it can do."""

from __future__ import annotations

from django.http import HttpRequest

from alarms.alarming_api.base import root_url
from alarms.evaluator import lateness
from meters.wsme.capabilities import ALARM_STORAGE, ALARMS
from meters.wsme.open import CapabilitiesView, Health, VersionView


class Root(VersionView):
    def root_url(self, request: HttpRequest) -> str:
        return root_url(request)


class AlarmingHealth(Health):
    """Also whether alarms are evaluated: a watchdog outside may ask."""

    def reason(self) -> str:
        return super().reason() or lateness.reason()


class Capabilities(CapabilitiesView):
    capabilities = {"api": ALARMS, **ALARM_STORAGE}
