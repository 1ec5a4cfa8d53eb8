"""The series that a caller may see of what selectors want, and their points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from django.db.models import Q, QuerySet

from meters import ownership
from meters.metric_api import policies
from meters.models import Metric
from meters.prometheus_api.errors import unanswerable
from meters.promql.series import Labelled, labelled, named, with_labels, writing
from meters.promql.tree import Selector
from meters.store.points import Points
from meters.store.read import TooManyPointsError, read_points
from telemetry_site.auth.caller import Caller
from telemetry_site.clock import from_us

MAX_SERIES = 10_000
#: Metrics whose labels are looked at, where the database can't tell which fit.
MAX_CANDIDATES = 100_000
#: Points that are unpacked for one expression.
MAX_POINTS = 20_000_000
NARROW = "name the metric, or add labels such as resource_id"


def visible(caller: Caller) -> QuerySet[Metric]:
    """As in lists of the metric API."""
    return Metric.objects.filter(policies.metric_filter("list metric", caller))


def find(caller: Caller, selectors: Sequence[Selector]) -> list[Labelled]:
    """In the order in which they were first seen. Raises `ApiError`."""
    candidates: dict[int, Labelled] = {}
    for wanted in _conditions(selectors):
        rows = visible(caller).filter(wanted).order_by("pk")[: MAX_CANDIDATES + 1]
        candidates |= {one.pk: one for one in labelled(rows)}
        if len(candidates) > MAX_CANDIDATES:
            raise unanswerable(f"More than {MAX_CANDIDATES} metrics may be meant: {NARROW}.")
    found = [
        candidates[pk]
        for pk in sorted(candidates)
        if any(each.matches(candidates[pk].labels) for each in selectors)
    ]
    if len(found) > MAX_SERIES:
        raise unanswerable(f"{len(found)} series are meant, at most {MAX_SERIES}: {NARROW}.")
    return found


def read(caller: Caller, series: Sequence[Labelled], start_us: int, stop_us: int) -> Points:
    """The caller's points in [start, stop]. Raises `ApiError`."""
    last = from_us(stop_us) + timedelta(microseconds=1)
    try:
        points = read_points([one.pk for one in series], from_us(start_us), last, MAX_POINTS)
    except TooManyPointsError as error:
        raise unanswerable(
            f"More than {MAX_POINTS} samples would be read: narrow the time, or {NARROW}."
        ) from error
    return _owned(caller, series).restrict(points)


def _owned(caller: Caller, series: Sequence[Labelled]) -> ownership.Ownership:
    """What has no owner is its creator's from the beginning on."""
    if caller.is_admin or not caller.tenant_filtered:
        return ownership.of_projects(None, series)
    unowned = {one.resource_id for one in series if one.project_id is None}
    return ownership.of_projects([caller.project_id], series, unowned)


def _conditions(selectors: Iterable[Selector]) -> Iterator[Q]:
    """What is asked of the database, one after the other: in one condition those of two selectors
    would leave an index of no use, and one that says nothing would be lost."""
    asked = {(one.name, *sorted(one.wanted.items())): one for one in selectors}
    for one in asked.values():
        yield _named(one, with_labels(one.wanted))
        written = writing(one.wanted)
        if written is not None:
            yield _named(one, written)


def _named(selector: Selector, condition: Q) -> Q:
    return condition & named([selector.name]) if selector.name else condition
