"""What several of the alarms' commands read from their command lines, and how they write times."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from django.core.management.base import CommandError

from alarms.models import Alarm
from meters.wire import EARLIEST_US, LATEST_US
from telemetry_site.clock import from_us, to_us


def alarm_of(text: str) -> Alarm:
    try:
        return Alarm.objects.get(pk=UUID(text))
    except (ValueError, Alarm.DoesNotExist):
        raise CommandError(f"There is no alarm {text}.") from None


def moment_of(text: str | None, usual: datetime) -> datetime:
    """UTC unless it says; in the years in which there may be samples."""
    if text is None:
        return usual
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(f"{text} is no time; write it like 2026-11-26T12:00:30.") from None
    if not EARLIEST_US <= to_us(moment) <= LATEST_US:
        raise CommandError(f"{text} is not between {iso(from_us(EARLIEST_US))} and 2200.")
    return moment


def iso(moment: datetime) -> str:
    """UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()
