"""The plot page, its data as JSON, and the search that adds a metric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from meters import ownership
from meters.derived.definitions import current
from meters.derived.metrics import metrics_named, metrics_with
from meters.derived.reading import read_points
from meters.models import Metric
from meters.store.read import latest_points
from meters.ui import plotquery, query
from meters.ui.access import PageRequest, page
from meters.ui.formats import duration, rate_unit
from meters.ui.plotquery import PlotQuery
from meters.ui.plotting import Curve, as_json, curves, load, plan, summary
from meters.ui.rendering import show
from telemetry_site.clock import now, to_us

OFFERED = 30
GRANULARITY_WORDS = {"auto": "auto", "raw": "raw points"}
#: A relative plot is asked for again after a bucket, but not more often than this.
REFRESH_S = (5, 60)


@dataclass(frozen=True)
class Line:
    """One metric on the plot. `rated`: its rate per second is shown, `unit` says so."""

    metric: Metric
    rated: bool
    without: str

    @property
    def unit(self) -> str:
        return rate_unit(self.metric.unit) if self.rated else self.metric.unit


@dataclass(frozen=True)
class Drawn:
    lines: list[Line]
    curves: list[Curve]
    granularity_s: int
    note: str
    start: datetime
    stop: datetime


@page
def plot(request: PageRequest) -> HttpResponse:
    state = plotquery.read(request)
    found = lines(request, state)
    heading = _heading(found)
    encoded = state.encoded()
    context = {
        "state": state,
        "lines": found,
        "heading": heading,
        "window": state.window(now()),
        "data_url": f"{reverse('ui:plot-data')}?{encoded}",
        "csv_url": f"{reverse('ui:plot-csv')}?{encoded}",
        "samples_url": f"{reverse('ui:plot-samples')}?{encoded}",
        "has_counter": any(line.metric.type == Metric.Type.CUMULATIVE for line in found),
        "full": len(found) >= plotquery.MOST_METRICS,
        **_choices(state),
    }
    response = show(request, "plot", context, section="plot", title=heading)
    response["HX-Push-Url"] = f"{request.path}?{encoded}"
    return response


def _choices(state: PlotQuery) -> dict[str, Any]:
    """What the toolbar offers: (name, address) of each range, methods, granularities."""
    ranges = [
        (name, state.with_(range=name, start=None, stop=None).encoded())
        for name in plotquery.RANGES
    ]
    granularities = [
        (value, duration(int(value)) if value.isdigit() else GRANULARITY_WORDS[value])
        for value in _with_own(plotquery.GRANULARITIES, state.granularity)
    ]
    return {
        "ranges": ranges,
        "methods": _with_own(plotquery.METHODS, state.aggregation),
        "granularities": granularities,
    }


def _heading(found: list[Line]) -> str:
    names = list(dict.fromkeys(line.metric.name for line in found))
    return ", ".join(names[:3]) + ("…" if len(names) > 3 else "") if names else "Plot"


def _with_own(offered: tuple[str, ...], own: str) -> list[str]:
    return [*offered] if own in offered else [*offered, own]


def lines(request: PageRequest, state: PlotQuery) -> list[Line]:
    """The metrics in the order of the URL; one that isn't there or isn't ours is a 404."""
    visible = Metric.objects.scope(request.principal).select_related("resource")
    stored = visible.filter(uuid__in=state.metrics)
    found = {metric.uuid: metric for metric in (*stored, *metrics_with(state.metrics, visible))}
    if len(found) < len(state.metrics):
        raise Http404("no such metric")
    return [_line(found[uuid], state) for uuid in state.metrics]


def _line(metric: Metric, state: PlotQuery) -> Line:
    rated = state.rate == "1" or (state.rate == "auto" and metric.type == Metric.Type.CUMULATIVE)
    others = tuple(uuid for uuid in state.metrics if uuid != metric.uuid)
    return Line(metric, rated, state.with_(metrics=others).encoded())


def draw(request: PageRequest, state: PlotQuery) -> Drawn:
    found = lines(request, state)
    start, stop = state.window(now())
    how = plan(state.granularity, (stop - start).total_seconds())
    owned = ownership.of(request.principal, [line.metric for line in found])
    loaded = [
        load(
            replace(owned, metrics=[line.metric]).restrict(
                read_points([line.metric.pk], start, stop)
            ),
            how,
            state.aggregation,
            (line.metric.type == Metric.Type.CUMULATIVE) if line.rated else None,
        )
        for line in found
    ]
    granularity_s, made = curves(loaded, how, state.aggregation)
    return Drawn(found, made, granularity_s, how.note, start, stop)


@page
def data(request: PageRequest) -> HttpResponse:
    state = plotquery.read(request)
    drawn = draw(request, state)
    refresh = min(max(drawn.granularity_s, REFRESH_S[0]), REFRESH_S[1])
    series = [_series(line, curve) for line, curve in zip(drawn.lines, drawn.curves, strict=True)]
    empty = [
        line.metric
        for line, curve in zip(drawn.lines, drawn.curves, strict=True)
        if not len(curve.values)
    ]
    latest = latest_points([metric.pk for metric in empty])
    owned = ownership.of(request.principal, empty)
    newest = [moment for moment, _ in owned.restrict_latest(latest).values()]
    return JsonResponse(
        {
            "start": to_us(drawn.start) / 1e6,
            "stop": to_us(drawn.stop) / 1e6,
            "granularity": drawn.granularity_s,
            "granularity_words": duration(drawn.granularity_s) if drawn.granularity_s else "",
            "aggregation": state.aggregation,
            "note": drawn.note,
            "refresh": refresh if state.range else 0,
            "newest": to_us(max(newest)) / 1e6 if newest else None,
            "series": series,
        }
    )


def _series(line: Line, curve: Curve) -> dict[str, Any]:
    return {"unit": line.unit, **as_json(curve), **summary(curve)}


@page
def offers(request: PageRequest) -> HttpResponse:
    """Metrics that may be added to the plot, by words in meter, resource id or name."""
    state = plotquery.read(request)
    visible = Metric.objects.scope(request.principal).select_related("resource")
    found = matching(visible.exclude(uuid__in=state.metrics), query.text(request, "q"))
    chosen = list(found.order_by("name", "-pk")[:OFFERED])
    chosen += _derived(visible, state, query.text(request, "q"))[: OFFERED - len(chosen)]
    offered = [
        (metric, state.with_(metrics=(*state.metrics, metric.uuid)).encoded()) for metric in chosen
    ]
    return render(request, "ui/offers_part.html", {"offered": offered})


def _derived(sources: QuerySet[Metric], state: PlotQuery, words: str) -> list[Metric]:
    """Those with one of the words in their meter, and the others in what it is derived of."""
    for word in words.split():
        names = [name for name in current().named_targets if word.lower() in name.lower()]
        if names:
            others = " ".join(one for one in words.split() if one != word)
            found = metrics_named(names, matching(sources, others), OFFERED)
            return [metric for metric in found if metric.uuid not in state.metrics]
    return []


def matching(rows: QuerySet[Metric], words: str) -> QuerySet[Metric]:
    """Those with each of the words in meter, resource id or name."""
    for word in words.split():
        rows = rows.filter(
            Q(name__icontains=word) | Q(resource__original_id__icontains=word)
            | Q(resource__metadata__name__icontains=word)
            | Q(resource__metadata__display_name__icontains=word)
        )  # fmt: skip
    return rows
