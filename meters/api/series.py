"""Which series a query of samples or statistics means."""

from __future__ import annotations

from django.http import QueryDict

from meters.api.errors import LimitError
from meters.api.filters import SeriesFilters
from meters.models import Metric
from telemetry_site.auth.principal import Principal

MAX_SERIES = 10_000


def visible_series(principal: Principal, query: QueryDict, described: bool = False) -> list[Metric]:
    """The series that the query's filters choose, with their resources.

    A resource's past owner finds its series by id and by meter. Filters (and, with `described`,
    groups) by what the resource *is* look at its present description, which is its present
    owner's: they choose among the resources that are the caller's now.
    """
    if described or SeriesFilters.asks_for_description(query):
        metrics = Metric.objects.scope(principal)
    else:
        metrics = Metric.objects.scope_ever(principal)
    found = list(
        SeriesFilters.apply(metrics, query)
        .select_related("resource")
        .order_by("pk")[: MAX_SERIES + 1]
    )
    if len(found) > MAX_SERIES:
        raise LimitError(
            f"The query means more than {MAX_SERIES} series: filter by meter, resource or type."
        )
    return found
