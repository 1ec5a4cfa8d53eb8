"""Querysets of the alarming system: who sees what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models.functions import Now

from alarms.choices import HOUSE_DESTINATIONS, SilenceState

if TYPE_CHECKING:
    from alarms.models import Notification  # noqa: F401 - named in a string
    from telemetry_site.auth.principal import Principal


class ProjectQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Rows with a `project_id`; without one they are the installation's, for administrators."""

    def scope(self, principal: Principal) -> Self:
        return self if principal.is_admin else self.filter(project_id__in=principal.projects)


class NotificationQuerySet(models.QuerySet["Notification"]):
    def scope(self, principal: Principal) -> Self:
        """Those of the principal's projects' alarms, without what the house has to do for them."""
        if principal.is_admin:
            return self
        own = self.filter(project_id__in=principal.projects)
        return own.exclude(destination__in=HOUSE_DESTINATIONS)


class SilenceQuerySet(ProjectQuerySet):
    def in_state(self, state: str) -> Self:
        """By the database's clock."""
        match state:
            case SilenceState.EXPIRED:
                return self.filter(ends_at__lte=Now())
            case SilenceState.PENDING:
                return self.filter(starts_at__gt=Now(), ends_at__gt=Now())
        return self.filter(starts_at__lte=Now(), ends_at__gt=Now())
