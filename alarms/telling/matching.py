"""SQL: which route takes an alarm, and what the alarm's group is in it."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from django.db import connection

from alarms.muting import matchers

GROUP_LABELS = ("severity", "type", "resource_id", "metric")

#: ``web-*`` as a pattern of LIKE.
_PATTERN = r"""replace(replace(replace(replace(
    route.match->>'name', '\', '\\'), '%%', '\%%'), '_', '\_'), '*', '%%')"""
_IS_OWN = "route.project_id IS NOT DISTINCT FROM alarm.project_id"


#: A lateral join to an ``alarm``: the route that takes it, or no row. A project's own routes come
#: before those that the installation has for it.
ROUTE_OF = f"""(
    SELECT route.id, route.project_id, route.updated_at, route.wait, route.actions,
           route.group_by,
           {matchers.agreeing("route.group_by", "labels")} AS key
    FROM alarms_route AS route, LATERAL (SELECT {matchers.OF_ALARM} AS labels) AS own
    WHERE ({_IS_OWN} OR route.project_id IS NULL AND route.match->>'project' = alarm.project_id)
      AND coalesce(route.match->>'severity' = alarm.severity, true)
      AND coalesce(route.match->>'type' = alarm.type, true)
      AND coalesce(alarm.name LIKE {_PATTERN}, true)
    ORDER BY {_IS_OWN} DESC, route.position, route.created_at, route.id LIMIT 1)"""
_OF_ALARM = f"""
SELECT route.project_id, route.actions, route.group_by, route.key
FROM alarms_alarm AS alarm CROSS JOIN LATERAL {ROUTE_OF} AS route WHERE alarm.id = %s
"""


class Taken(NamedTuple):
    """How an alarm's route tells it; `owner` is the route's project, `labels` the group's."""

    owner: str | None
    actions: list[str]
    labels: dict[str, str]


def taken(alarm_id: UUID) -> Taken | None:
    """None: no route takes the alarm."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_ALARM, [alarm_id])
        row = cursor.fetchone()
    return Taken(row[0], row[1], labels_of(row[2], row[3])) if row else None


def labels_of(group_by: list[str], key: list[str]) -> dict[str, str]:
    return dict(zip(group_by, key, strict=True))
