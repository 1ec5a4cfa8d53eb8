"""Querysets: the one place that knows who sees what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import models
from django.db.models import F, Func, JSONField, OuterRef, Subquery, TextField, Value
from django.db.models.functions import Cast

if TYPE_CHECKING:
    from meters.models.catalogue import Metric, Resource  # noqa: F401 - named in strings
    from meters.models.events import Event  # noqa: F401
    from telemetry_site.auth.principal import Principal


class ResourceQuerySet(models.QuerySet["Resource"]):
    def scope(self, principal: Principal) -> Self:
        """What the principal may see: everything for an admin, else its own projects'."""
        return self if principal.is_admin else self.filter(project_id__in=principal.projects)

    def of_creator(self, project_id: str) -> Self:
        """What this project posted (and so may describe anew); "" is the installation itself."""
        return self.filter(creator=project_id)


class RevisionQuerySet(models.QuerySet):  # type: ignore[type-arg]
    def scope(self, principal: Principal) -> Self:
        """Revisions of the time when the resource was the principal's own."""
        return self if principal.is_admin else self.filter(project_id__in=principal.projects)


class MetricQuerySet(models.QuerySet["Metric"]):
    def scope(self, principal: Principal) -> Self:
        """Metrics of the resources that are the principal's now."""
        if principal.is_admin:
            return self
        return self.filter(resource__project_id__in=principal.projects)

    def scope_ever(self, principal: Principal) -> Self:
        """Metrics that may hold samples of the principal's: of resources it owns or once owned.

        Whoever reads samples through this must pass them on to `meters.ownership`.
        """
        if principal.is_admin:
            return self
        revisions = apps.get_model("meters", "ResourceRevision").objects.scope(principal)
        return self.filter(resource_id__in=revisions.values("resource_id"))


class OpenQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Rows that belong to no project and that everybody may read."""

    def scope(self, principal: Any) -> Self:
        return self


class EventQuerySet(models.QuerySet["Event"]):
    def scope(self, principal: Principal) -> Self:
        return self if principal.is_admin else self.filter(project_id__in=principal.projects)


class OperatorQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Rows about the installation itself, which belong to no project."""

    def scope(self, principal: Principal) -> Self:
        return self if principal.is_admin else self.none()


class Like(models.Lookup):
    """`lhs LIKE rhs`; the pattern comes escaped (see `meters.api.params.like_pattern`)."""

    lookup_name = "like"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        return f"{lhs} LIKE {rhs}", (*lhs_params, *rhs_params)


def extract(column: str, *path: str, text: bool = False) -> Func:
    """What lies in a JSON column at a path whose steps are bound values, never SQL."""
    function = "jsonb_extract_path_text" if text else "jsonb_extract_path"
    output = TextField() if text else JSONField()
    steps = [Cast(Value(step), TextField()) for step in path]
    return Func(F(column), *steps, function=function, output_field=output)


def revision_end() -> Subquery:
    """When the next revision of a revision's resource began; null of the newest."""
    later = apps.get_model("meters", "ResourceRevision").objects.filter(
        resource=OuterRef("resource"), valid_from__gt=OuterRef("valid_from")
    )
    return Subquery(later.order_by("valid_from").values("valid_from")[:1])
