"""What keeps each of some alarms quiet at this moment."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from django.db import OperationalError

from alarms.models import AlarmAck
from alarms.muting import acks
from alarms.muting.judging import Muted, judge


class Mark(NamedTuple):
    """Of one alarm: the silences and the firing alarms that hold it back, and who knows of it."""

    silenced_by: list[UUID]
    inhibited_by: list[UUID]
    ack: AlarmAck | None


def marks(ids: Collection[UUID]) -> dict[UUID, Mark]:
    """Of each of the alarms."""
    if not ids:
        return {}
    muted, acked = _judged(ids), acks.of_alarms(ids)
    return {one: Mark(*muted.get(one, Muted([], [])), acked.get(one)) for one in ids}


def _judged(ids: Collection[UUID]) -> dict[UUID, Muted]:
    """None of them where it takes too long: the page comes all the same."""
    try:
        return judge(ids)
    except OperationalError:
        return {}
