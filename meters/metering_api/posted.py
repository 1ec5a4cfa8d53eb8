"""A posted list of samples, read and checked in ceilometer's words (telemetry-api.md 6)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings

from meters import wire
from meters.api.names import flaw_of
from meters.api.params import moment
from meters.metering_api.metadata import unfolded
from meters.metering_api.shapes import time_text
from meters.wsme.errors import bad, invalid
from meters.wsme.values import MISSING, check_known, text
from telemetry_site import signatures
from telemetry_site.auth.caller import Caller
from telemetry_site.clock import now_us, to_us

NO_SAMPLES = "Samples should be included in request body"
KINDS = ("gauge", "delta", "cumulative")
FIELDS = (
    "source", "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id",
    "project_id", "resource_id", "timestamp", "recorded_at", "resource_metadata", "message_id",
    signatures.FIELD,
)  # fmt: skip
MANDATORY = ("counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id")


class Posted(NamedTuple):
    """`metadata` is what is stored; `shown` is the answer, still without an id."""

    resource_id: str
    meter: str
    unit: str
    type: wire.SampleType
    volume: float
    timestamp_us: int
    project_id: str | None
    user_id: str | None
    source: str
    metadata: dict[str, Any]
    shown: dict[str, Any]


def read(body: Any, meter: str, caller: Caller) -> list[Posted]:
    """All of the samples, or `Fault` for the first that is wrong."""
    if body in (None, "", []):
        raise bad(NO_SAMPLES)
    if not isinstance(body, list):
        raise invalid("samples", body, "Value not a valid list")
    if len(body) > wire.MAX_SAMPLES:
        raise invalid("samples", "…", f"At most {wire.MAX_SAMPLES} samples are taken at once.")
    return [_Reader(place, one, meter, caller).posted() for place, one in enumerate(body)]


class _Reader:
    def __init__(self, place: int, one: Any, meter: str, caller: Caller) -> None:
        self.path = f"samples[{place}]"
        if not isinstance(one, Mapping):
            raise invalid("samples", one, f"{self.path} is not an object")
        check_known(one, FIELDS, "samples")
        self.given = one
        self.meter = meter
        self.caller = caller

    def posted(self) -> Posted:
        for name in MANDATORY:
            if self.given.get(name) is None:
                raise invalid(name, None, MISSING)
        if self.given.get("message_id") is not None:
            raise invalid("message_id", self.given["message_id"], "The message_id must not be set")
        name = self._name("counter_name")
        if name != self.meter:
            raise invalid("counter_name", name, f"should be {self.meter}")
        self._check_signature()
        project, user = self._project(), self._text("user_id") or self.caller.user_id or None
        plain = self._text("source") or settings.TELEMETRY_SAMPLE_SOURCE
        timestamp_us, timestamp = self._time()
        metadata = self._metadata()
        shown: dict[str, Any] = {
            "source": f"{project}:{plain}",
            "counter_name": name,
            "counter_type": self._kind(),
            "counter_unit": self._name("counter_unit", required=False),
            "counter_volume": self._volume(),
            "user_id": user,
            "project_id": project,
            "resource_id": self._name("resource_id"),
            "timestamp": timestamp,
            **self._recorded_at(),
            "resource_metadata": metadata,
        }
        return Posted(
            shown["resource_id"], name, shown["counter_unit"], shown["counter_type"],
            shown["counter_volume"], timestamp_us, project, user, shown["source"],
            unfolded(metadata), shown,
        )  # fmt: skip

    def _text(self, name: str) -> str | None:
        value = self.given.get(name)
        if value is None:
            return None
        found = text(name, value)
        try:
            wire.check_text(name, found)
        except wire.WireError as error:
            raise invalid(name, value, str(error)) from error
        return found

    def _name(self, field: str, required: bool = True) -> str:
        value = self._text(field) or ""
        flaw = flaw_of(value) if required else ""
        if flaw:
            raise invalid(field, value, f"It {flaw}.")
        return value

    def _kind(self) -> wire.SampleType:
        given = self.given["counter_type"]
        for kind in wire.SAMPLE_TYPES:
            if given == kind:
                return kind  # type: ignore[return-value]
        words = f"The counter type must be: {', '.join(KINDS)}"
        raise invalid("counter_type", given, words)

    def _volume(self) -> float:
        value = self.given["counter_volume"]
        if not isinstance(value, int | float | str):
            words = f"Wrong type. Expected '{float}', got '{type(value)}'"
            raise invalid("counter_volume", value, words)
        try:
            volume = float(value)
        except (ValueError, OverflowError) as error:
            raise invalid("counter_volume", value, str(error)) from error
        if not math.isfinite(volume):
            raise invalid("counter_volume", value, "It must be a finite number.")
        return volume

    def _project(self) -> str | None:
        """Only an administrator posts for somebody else's project, or for none."""
        own = self.caller.project_id or None
        asked = self._text("project_id") or own
        if asked != own and not self.caller.is_admin:
            words = "can not post samples to other projects"
            raise invalid("project_id", asked, words)
        return asked

    def _time(self) -> tuple[int, str]:
        """In microseconds, and as it is told back: as it was sent."""
        sent = self.given.get("timestamp")
        if sent is None:
            at = now_us()
            return at, time_text(at)
        try:
            at = to_us(moment(sent if isinstance(sent, str) else ""))
        except ValueError as error:
            raise invalid("samples", sent, f"{self.path}.timestamp: {error}") from error
        return at, datetime.fromisoformat(sent).isoformat()

    def _recorded_at(self) -> dict[str, str]:
        sent = self.given.get("recorded_at")
        if sent is None:
            return {}
        try:
            moment(sent if isinstance(sent, str) else "")
        except ValueError as error:
            raise invalid("samples", sent, f"{self.path}.recorded_at: {error}") from error
        return {"recorded_at": datetime.fromisoformat(sent).isoformat()}

    def _metadata(self) -> dict[str, str]:
        given = self.given.get("resource_metadata", {})
        place = f"{self.path}.resource_metadata"
        if not isinstance(given, Mapping):
            raise invalid("samples", given, f"{place} is not an object")
        for key, value in given.items():
            if not isinstance(value, str):
                raise invalid("samples", value, f"{place}: {key} is not a text")
        try:
            wire.check_metadata(place, unfolded(given))
        except wire.WireError as error:
            raise invalid("samples", "…", str(error)) from error
        return dict(given)

    def _check_signature(self) -> None:
        """Whoever knows the secret may sign; a signature that is there must fit."""
        secret = settings.TELEMETRY_SAMPLE_SECRET
        given = self.given.get(signatures.FIELD)
        if secret and given is not None and not signatures.is_signed(self.given, secret):
            raise invalid(signatures.FIELD, given, "It does not fit the sample.")
