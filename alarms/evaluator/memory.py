"""Composite alarms' memory of their parts (alarms.md 2.4, `TELEMETRY_COMPOSITE_MEMORY`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection

from alarms.composites import NONE, Codes
from alarms.evaluator.claims import Claimed
from alarms.models import CompositeMemory

#: Of alarms whose definition is still that one.
_SAVE = """
INSERT INTO alarms_compositememory (alarm_id, definition_version, parts)
SELECT alarm.id, seen.version, seen.parts::smallint[]
FROM unnest(%s::uuid[], %s::bigint[], %s::text[]) AS seen (id, version, parts)
JOIN alarms_alarm AS alarm ON alarm.id = seen.id AND alarm.definition_version = seen.version
ORDER BY alarm.id FOR KEY SHARE OF alarm
ON CONFLICT (alarm_id) DO UPDATE
SET definition_version = excluded.definition_version, parts = excluded.parts
"""


class Change(NamedTuple):
    """`parts` are the codes as PostgreSQL reads an array."""

    id: UUID
    definition_version: int
    parts: str


class Known(NamedTuple):
    """{alarm: (definition's version, codes of its parts)}"""

    rows: dict[UUID, tuple[int, list[int]]]

    def of(self, one: Claimed, size: int) -> list[int]:
        """The codes of an alarm's parts; NONE where nothing is known of this definition."""
        version, parts = self.rows.get(one.id, (0, []))
        return parts if version == one.definition_version and len(parts) == size else [NONE] * size


def load(claimed: Sequence[Claimed]) -> Known:
    if not settings.TELEMETRY_COMPOSITE_MEMORY:
        return Known({})
    rows = CompositeMemory.objects.filter(pk__in=[one.id for one in claimed])
    return Known({row.alarm_id: (row.definition_version, row.parts) for row in rows})


def changes(known: Known, claimed: Sequence[Claimed], parts: Codes) -> list[Change]:
    """What is to be saved."""
    return [
        Change(one.id, one.definition_version, "{" + ",".join(map(str, codes)) + "}")
        for one, codes in zip(claimed, parts.tolist(), strict=True)
        if settings.TELEMETRY_COMPOSITE_MEMORY and known.of(one, len(codes)) != codes
    ]


def save(changed: Sequence[Change]) -> None:
    if changed:
        with connection.cursor() as cursor:
            cursor.execute(_SAVE, [list(column) for column in zip(*changed, strict=True)])
