"""What the views of this door share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest

from meters.metering_api import stretches
from meters.metering_api.conditions import SAMPLES, Query, read
from meters.metering_api.ids import Position, position_of
from meters.metering_api.stretches import Asked, Stretches
from meters.metric_api import addresses
from meters.wsme.classic import ClassicView, unknown_marker
from meters.wsme.simple import NAMES, read_terms


def root_url(request: HttpRequest) -> str:
    """The door's address, without a slash at the end."""
    return f"{addresses.site_url(request)}/{settings.TELEMETRY_METERING_API_PREFIX}"


class MeteringView(ClassicView):
    parameters: Sequence[str] = ()

    def asked(self, fields: Sequence[str]) -> Query:
        """What `q` asks of what the caller may see. Raises `Fault`."""
        return read(read_terms(self.arguments()), fields, self.visible_project)

    def asked_of_meter(self, meter: str) -> Query:
        """The same of samples of the meter in the path, whatever `q` says of meters."""
        terms = [term for term in read_terms(self.arguments()) if term.field != "meter"]
        query = read(terms, SAMPLES, self.visible_project)
        return replace(query, asked=replace(query.asked, names=frozenset(spellings(meter))))

    def find(self, asked: Asked) -> Stretches:
        return stretches.find(asked, self.visible_project is None)

    def marked_sample(self) -> Position | None:
        marker = self.arguments().get("marker")
        if marker is None:
            return None
        position = position_of(marker)
        if position is None:
            raise unknown_marker(marker)
        return position


QUERY = (*NAMES, "limit", "marker")


def spellings(name: str) -> list[str]:
    """What a path's last part may mean: itself, and itself with percents decoded once more."""
    return list(dict.fromkeys([name, unquote(name)]))
