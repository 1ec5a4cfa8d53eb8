"""Which series a query of samples or statistics means."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, QueryDict

from meters.api.errors import LimitError
from meters.api.filters import SeriesFilters
from meters.derived.metrics import metric_with, metrics_named, metrics_with
from meters.models import Metric
from meters.queries import MetricQuerySet
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
    found += _derived(metrics, query)
    if len(found) > MAX_SERIES:
        raise LimitError(
            f"The query means more than {MAX_SERIES} series: filter by meter, resource or type."
        )
    return found


def one_visible(principal: Principal, uuid: UUID) -> Metric:
    """With its resource; raises `Http404`."""
    found = metric_with(uuid, Metric.objects.scope_ever(principal))
    if found is None:
        raise Http404("No Metric matches the given query.")
    return found


#: Filters on the series itself, which is not what its source is.
OF_SERIES = ("metric", "meter", "type")


def _derived(metrics: MetricQuerySet, query: QueryDict) -> list[Metric]:
    """Those that are asked for by their meter's whole name, or by their own."""
    uuid, meter, type_ = (query.get(name) for name in OF_SERIES)
    if uuid is None and (meter is None or "*" in meter):
        return []
    rest = query.copy()
    for name in OF_SERIES:
        rest.pop(name, None)
    sources = SeriesFilters.apply(metrics, rest)
    if uuid is not None:
        found = metrics_with([UUID(uuid)], sources)
    else:
        found = metrics_named([meter or ""], sources, MAX_SERIES + 1)
    return [one for one in found if meter in (None, one.name) and type_ in (None, one.type)]
