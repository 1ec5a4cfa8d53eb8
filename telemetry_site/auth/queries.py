"""Querysets of the access tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from telemetry_site.auth.principal import Principal


class ApiTokenQuerySet(models.QuerySet):  # type: ignore[type-arg]
    def scope(self, principal: Principal) -> Self:
        """One's own tokens; an administrator sees all of them (never a secret)."""
        return self if principal.is_admin else self.filter(user_id=int(principal.user_id))
