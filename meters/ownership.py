"""Samples belong to whoever owned their resource at their timestamp (architecture.md 3.5).

A resource that moves from one project to another takes none of its past along: the new owner
sees what was measured since, the old one what was measured until then. This module is the one
place that cuts points down to that; every reader of points for a principal goes through it::

    owned = ownership.of(principal, metrics)
    points = owned.restrict(read_points([metric.pk for metric in metrics], start, stop))
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from meters.models import ResourceRevision
from meters.store.points import Points
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import to_us


class History(NamedTuple):
    """Since when (microseconds, ascending) a resource was the principal's, or was not."""

    since: npt.NDArray[np.int64]
    mine: npt.NDArray[np.bool_]

    def at(self, timestamps: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Before the first known revision nobody but an administrator sees anything."""
        place = np.searchsorted(self.since, timestamps, side="right") - 1
        return self.mine[place] & (place >= 0)


_BEGINNING = np.full(1, np.iinfo(np.int64).min)
_NEVER = History(_BEGINNING, np.zeros(1, dtype=np.bool_))
_ALWAYS = History(_BEGINNING, np.ones(1, dtype=np.bool_))


class Series(Protocol):
    """A `Metric`, or what stands for one."""

    @property
    def pk(self) -> int: ...

    @property
    def resource_id(self) -> int: ...


@dataclass(frozen=True)
class Ownership:
    """What a principal may see of some series; `histories` is None for one who sees all."""

    metrics: Sequence[Series]
    histories: dict[int, History] | None

    def restrict(self, points: Points) -> Points:
        """The points one may see; `points.index` is the position in `metrics`."""
        if self.histories is None or not len(points.index):
            return points
        edges = np.searchsorted(points.index, np.arange(len(self.metrics) + 1))
        visible = np.zeros(len(points.index), dtype=np.bool_)
        for place, metric in enumerate(self.metrics):
            part = slice(edges[place], edges[place + 1])
            visible[part] = self._history(metric).at(points.timestamps[part])
        return Points(points.index[visible], points.timestamps[visible], points.values[visible])

    def restrict_latest(
        self, latest: dict[int, tuple[datetime, float]]
    ) -> dict[int, tuple[datetime, float]]:
        """The same for `latest_points`: a last value of another owner's time is left out."""
        if self.histories is None:
            return latest
        return {
            metric.pk: latest[metric.pk]
            for metric in self.metrics
            if metric.pk in latest
            and self._history(metric).at(np.array([to_us(latest[metric.pk][0])]))[0]
        }

    def _history(self, metric: Series) -> History:
        assert self.histories is not None
        return self.histories.get(metric.resource_id, _NEVER)


def of(principal: Principal, metrics: Sequence[Series]) -> Ownership:
    """Looks up the resources' revisions, once for all reads of these series."""
    return of_projects(None if principal.is_admin else principal.projects, metrics)


def of_projects(
    projects: Collection[str] | None, metrics: Sequence[Series], whole: Collection[int] = ()
) -> Ownership:
    """What these projects together may see; None may see all. `whole` are resources that are seen
    from their beginning on, whoever's they are."""
    if projects is None:
        return Ownership(metrics, None)
    cut = {metric.resource_id for metric in metrics} - set(whole)
    return Ownership(metrics, _histories(projects, cut) | dict.fromkeys(whole, _ALWAYS))


def _histories(projects: Collection[str], resources: Iterable[int]) -> dict[int, History]:
    revisions = ResourceRevision.objects.filter(resource_id__in=list(resources))
    rows: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for resource, since, project in revisions.order_by("valid_from").values_list(
        "resource_id", "valid_from", "project_id"
    ):
        rows[resource].append((to_us(since), project in projects))
    return {
        resource: History(
            np.array([since for since, _ in found], dtype=np.int64),
            np.array([mine for _, mine in found], dtype=np.bool_),
        )
        for resource, found in rows.items()
    }
