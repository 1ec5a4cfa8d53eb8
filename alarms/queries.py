"""Querysets of the alarming system: who sees what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.apps import apps
from django.db import models
from django.db.models import OuterRef, Subquery
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
        return self.filter(project_id__in=principal.projects).for_people()

    def for_people(self) -> Self:
        """Without what the house has to do because of alarms."""
        return self.exclude(destination__in=HOUSE_DESTINATIONS)


class ReceiverQuerySet(ProjectQuerySet):
    def with_outcome(self) -> Self:
        """With the last message to each: `last_status`, `last_code` (HTTP), `last_error` and
        `last_at`, null where there was none; and until when its host is left alone, `open_until`.
        """
        notification = apps.get_model("alarms", "Notification")
        destination = apps.get_model("alarms", "Destination")
        sent = notification.objects.filter(receiver_id=OuterRef("pk")).order_by("-created_at")
        hosts = destination.objects.filter(key=OuterRef("destination"), open_until__gt=Now())
        return self.annotate(
            last_status=Subquery(sent.values("status")[:1]),
            last_code=Subquery(sent.values("last_status")[:1]),
            last_error=Subquery(sent.values("last_error")[:1]),
            last_at=Subquery(sent.values("created_at")[:1]),
            open_until=Subquery(hosts.values("open_until")[:1]),
        )


class SilenceQuerySet(ProjectQuerySet):
    def in_state(self, state: str) -> Self:
        """By the database's clock."""
        match state:
            case SilenceState.EXPIRED:
                return self.filter(ends_at__lte=Now())
            case SilenceState.PENDING:
                return self.filter(starts_at__gt=Now(), ends_at__gt=Now())
        return self.filter(starts_at__lte=Now(), ends_at__gt=Now())
