"""The door itself: versions, and what it can do."""

from __future__ import annotations

from django.http import HttpRequest

from meters.metering_api.base import root_url
from meters.wsme import capabilities as able
from meters.wsme.open import CapabilitiesView, VersionView


class Root(VersionView):
    def root_url(self, request: HttpRequest) -> str:
        return root_url(request)


class Capabilities(CapabilitiesView):
    """Of all that is answered here: alarms and events, too."""

    capabilities = {
        "api": {**able.METERS, **able.ALARMS, **able.EVENTS},
        **able.METER_STORAGE,
        **able.ALARM_STORAGE,
        **able.EVENT_STORAGE,
    }
