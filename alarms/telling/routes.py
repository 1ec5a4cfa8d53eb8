"""Routes: what may be written of one, making, changing, deleting."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from alarms.choices import ROUTE, Severity, Type
from alarms.errors import ActionError, DefinitionError, QuotaError
from alarms.lifecycle import LOOK_UP_S
from alarms.models import Route
from alarms.muting.fields import free_text, names_of
from alarms.notifier.actions import check_action
from alarms.telling.grouping import regroup
from alarms.telling.matching import GROUP_LABELS

MATCHES = ("name", "severity", "type", "project")
#: Of one project.
MOST = 100
DAY_S = 86_400
#: Field: least and most seconds, and what it is unless told.
TIMES = {
    "wait": (0, DAY_S, 30), "interval": (1, DAY_S, 300), "repeat_interval": (1, 30 * DAY_S, 14_400),
}  # fmt: skip
FIELDS = ("match", "group_by", *TIMES, "actions", "position")


class Asked(NamedTuple):
    """What somebody writes of a route, checked."""

    match: dict[str, str]
    group_by: list[str]
    wait: int
    interval: int
    repeat_interval: int
    actions: list[str]
    position: int


def check(fields: Mapping[str, Any], project_id: str | None, is_admin: bool) -> Asked:
    """The whole route of a project, filled up with defaults. Raises `DefinitionError`."""
    for name in fields:
        if name not in FIELDS:
            raise DefinitionError(name[:80], "is no field of a route")
    times = {name: _whole(name, fields.get(name), *bounds) for name, bounds in TIMES.items()}
    return Asked(
        match=_match(fields.get("match"), project_id),
        group_by=names_of("group_by", fields.get("group_by"), GROUP_LABELS),
        actions=_actions(fields.get("actions"), project_id, is_admin),
        position=_whole("position", fields.get("position"), -1_000_000, 1_000_000, 0),
        **times,
    )


def _whole(field: str, value: Any, least: int, most: int, usual: int) -> int:
    if value is None:
        return usual
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DefinitionError(field, f"must be a whole number from {least} to {most}")
    return value


def _match(value: Any, project_id: str | None) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise DefinitionError("match", f"must be an object with some of {', '.join(MATCHES)}")
    for name in value:
        if name not in MATCHES:
            raise DefinitionError(f"match.{name[:80]}", f"is none of {', '.join(MATCHES)}")
    found = {name: free_text(f"match.{name}", text, 255) for name, text in value.items()}
    for name, known in (("severity", Severity.values), ("type", Type.values)):
        if found.get(name, known[0]) not in known:
            raise DefinitionError(f"match.{name}", f"must be one of {', '.join(known)}")
    if project_id is not None and found.get("project", project_id) != project_id:
        raise DefinitionError("match.project", "must be the route's own project")
    return found


def _actions(value: Any, project_id: str | None, is_admin: bool) -> list[str]:
    if not isinstance(value, list) or not value:
        raise DefinitionError("actions", "must be a list of at least one URL")
    most = settings.TELEMETRY_ACTIONS_PER_STATE
    if len(value) > most:
        raise DefinitionError("actions", f"has {len(value)} URLs, at most {most} are allowed")
    deadline = time.monotonic() + LOOK_UP_S
    for place, url in enumerate(value):
        field = f"actions[{place}]"
        free_text(field, url)
        if time.monotonic() >= deadline:
            raise DefinitionError(field, "could not be looked up in time")
        if url.startswith(ROUTE):
            raise DefinitionError(field, "must be an address or a receiver, not a route")
        try:
            check_action(url, project_id, is_admin)
        except ActionError as error:
            raise DefinitionError(field, error.detail) from error
    return list(dict.fromkeys(value))


def create(asked: Asked, project_id: str | None, user_id: str) -> Route:
    """Raises `QuotaError` where the project has as many as it may."""
    if Route.objects.filter(project_id=project_id).count() >= MOST:
        raise QuotaError(f"The project has {MOST} routes, the most it may have: delete some.")
    made = Route(**asked._asdict(), project_id=project_id, user_id=user_id)
    made.save(force_insert=True)
    made.refresh_from_db()
    return made


def change(route: Route, asked: Asked, user_id: str) -> Route:
    """What waits in its groups is gathered anew. Raises `Route.DoesNotExist` when it is gone."""
    with transaction.atomic(), connection.cursor() as cursor:
        regroup(cursor, [route.pk])
        fields = {**asked._asdict(), "user_id": user_id, "updated_at": Now()}
        if not Route.objects.filter(pk=route.pk).update(**fields):
            raise Route.DoesNotExist
    route.refresh_from_db()
    return route


def delete(route: Route) -> None:
    """What waits in its groups goes to the next route that takes it."""
    with transaction.atomic(), connection.cursor() as cursor:
        regroup(cursor, [route.pk])
        Route.objects.filter(pk=route.pk).delete()
