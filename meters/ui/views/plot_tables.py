"""A plot in figures: its points as CSV, the samples behind it as a table and as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from meters.api import pages
from meters.api.exports import table_response
from meters.api.tables import samples_table
from meters.columnar import Block, Kind, Labels, Table
from meters.models import Metric
from meters.ui import plotquery
from meters.ui.access import PageRequest, page
from meters.ui.plotquery import PlotQuery
from meters.ui.plotting import known
from meters.ui.views.plot import Drawn, draw, lines
from telemetry_site.clock import from_us, now

SAMPLES_SHOWN = 200
PLOT_COLUMNS: dict[str, Kind] = {
    "time": "time", "resource": "text", "meter": "text", "unit": "text", "value": "number",
}  # fmt: skip


@page
def as_csv(request: PageRequest) -> HttpResponse:
    """The points as drawn, one a row: a gap has no row."""
    drawn = draw(request, plotquery.read(request))
    return _csv("plot", Table(PLOT_COLUMNS, _blocks(drawn)))


def _blocks(drawn: Drawn) -> Iterator[Block]:
    for line, curve in zip(drawn.lines, drawn.curves, strict=True):
        times, values = known(curve)
        texts = (line.metric.resource.original_id, line.metric.name, line.unit)
        if len(times):
            yield [times, *(Labels.same(text, len(times)) for text in texts), values]


@page
def samples(request: PageRequest) -> HttpResponse:
    """The newest samples of the plot's metrics in its range, as they were sent."""
    state = plotquery.read(request)
    metrics = _metrics(request, state)
    found = pages.read_page(
        request.principal, metrics, _bounds(metrics, state), SAMPLES_SHOWN, newest_first=True
    )
    context = {
        "rows": [(from_us(one.timestamp_us), one.metric, one.value) for one in found.samples],
        "cut": found.next is not None,
        "csv_url": f"{reverse('ui:plot-samples-csv')}?{state.encoded()}",
        "now": now(),
    }
    return render(request, "ui/samples_part.html", context)


@page
def samples_csv(request: PageRequest) -> HttpResponse:
    """All of them, oldest first."""
    state = plotquery.read(request)
    metrics = _metrics(request, state)
    found = pages.stream(request.principal, metrics, _bounds(metrics, state), newest_first=False)
    return _csv("samples", samples_table(metrics, found))


def _metrics(request: PageRequest, state: PlotQuery) -> list[Metric]:
    """In the order of their primary keys."""
    found = [line.metric for line in lines(request, state)]
    return sorted(found, key=lambda metric: metric.pk)


def _bounds(metrics: list[Metric], state: PlotQuery) -> tuple[int, int]:
    moment = now()
    return pages.within(metrics, *state.window(moment), moment)


def _csv(name: str, table: Table) -> HttpResponse:
    return cast(HttpResponse, table_response(name, "csv", table))
