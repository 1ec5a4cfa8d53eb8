"""Which alarms and notifications a page may show, and who may change them.

What is another project's does not exist (404); what one may only read can't be changed (403).
"""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404

from alarms.api.base import may_edit
from alarms.models import Alarm, Inhibition, Notification, Receiver, Route
from meters.ui.access import PageRequest
from telemetry_site.auth.principal import Principal

Row = TypeVar("Row", Inhibition, Receiver, Route)

ONLY_READERS = "You may read the alarms of this project, but not change them."


def visible(request: PageRequest, uuid: UUID) -> Alarm:
    found: Alarm = get_object_or_404(Alarm.objects.scope(request.principal), pk=uuid)
    return found


def changeable(request: PageRequest, uuid: UUID) -> Alarm:
    alarm = visible(request, uuid)
    require_change(request.principal, alarm.project_id)
    return alarm


def changeable_row(request: PageRequest, model: type[Row], uuid: UUID) -> Row:
    """A row of what belongs to alarms' projects."""
    found: Row = get_object_or_404(model.objects.scope(request.principal), pk=uuid)
    require_change(request.principal, found.project_id)
    return found


def require_change(principal: Principal, project_id: str | None) -> None:
    if not may_edit(principal, project_id):
        raise PermissionDenied(ONLY_READERS)


def visible_notification(request: PageRequest, uuid: UUID) -> Notification:
    return get_object_or_404(Notification.objects.scope(request.principal), pk=uuid)
