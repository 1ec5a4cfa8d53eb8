"""What several of the alarms' commands read from their command lines, and how they write times."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.core.management.base import CommandError

from alarms.models import Alarm
from meters.wire import EARLIEST_US, LATEST_US
from telemetry_site.clock import from_us, to_us

#: Rows that a command shows, and hours that it looks back, at most.
MOST_ROWS = 1_000_000
MOST_HOURS = 24 * 36_525


def rows(text: str) -> int:
    """How many rows at most, for argparse."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST_ROWS):
        raise ArgumentTypeError(f"{text} is no whole number from 1 to {MOST_ROWS}")
    return int(text)


def hours(text: str) -> timedelta:
    """For argparse."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= MOST_HOURS:
        raise ArgumentTypeError(f"{text} is no number of hours from 0 to {MOST_HOURS}")
    return timedelta(hours=number)


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
