"""Resources and meters: lists, one resource, one meter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Count, F, Max, Min, Q, QuerySet, TextField, Window
from django.db.models.functions import Cast, RowNumber
from django.http import HttpResponse
from django.shortcuts import get_object_or_404

from meters.models import Event, Metric, Resource
from meters.store.read import latest_points
from meters.ui import query
from meters.ui.access import PageRequest, page
from meters.ui.eventquery import newest_about
from meters.ui.plotquery import MOST_METRICS, PlotQuery
from meters.ui.rendering import Listing, listing, show
from meters.ui.series import with_latest
from telemetry_site.clock import now

RECENTLY = timedelta(minutes=15)
#: More meters of one resource than this get no sparkline, only the page after.
METERS_A_PAGE = 100
#: The newest sample of a meter is looked for in this many of its series.
SERIES_LOOKED_AT = 20
EVENTS_OF_A_RESOURCE = 5


@page
def resources(request: PageRequest) -> HttpResponse:
    visible = Resource.objects.scope(request.principal)
    words = query.text(request, "q")
    chosen = {name: query.text(request, name) for name in ("type", "project")}
    rows = _search(visible, words)
    if chosen["type"]:
        rows = rows.filter(type=chosen["type"])
    if chosen["project"]:
        rows = rows.filter(project_id=chosen["project"])
    found = listing(request, rows.annotate(meters=Count("metrics")).order_by("-pk"))
    seen = last_seen([resource.pk for resource in found.page])
    context = {
        "listing": found,
        "rows": [(resource, seen.get(resource.pk)) for resource in found.page],
        "q": words,
        "chosen": chosen,
        "types": _choices(visible, "type"),
        "projects": _choices(visible, "project_id"),
        "filtered": bool(words or chosen["type"] or chosen["project"]),
    }
    return show(request, "resources", context, section="resources", title="Resources")


def _search(rows: QuerySet[Resource], words: str) -> QuerySet[Resource]:
    """Each word in the id or anywhere in the metadata."""
    rows = rows.annotate(metadata_text=Cast("metadata", TextField()))
    for word in words.split():
        rows = rows.filter(Q(original_id__icontains=word) | Q(metadata_text__icontains=word))
    return rows


def _choices(rows: QuerySet[Resource], name: str) -> list[str]:
    named = rows.exclude(**{f"{name}__isnull": True}).exclude(**{name: ""})
    return list(named.order_by(name).values_list(name, flat=True).distinct()[:200])


def last_seen(resource_ids: Iterable[int]) -> dict[int, datetime]:
    """{resource: newest sample}; of those silent for long, by their first meter alone."""
    ids = list(resource_ids)
    owners = dict(Metric.objects.filter(resource_id__in=ids).values_list("pk", "resource_id"))
    seen = _newest(owners, within=RECENTLY)
    silent = [pk for pk in ids if pk not in seen]
    first = Metric.objects.filter(resource_id__in=silent).values("resource_id")
    rest = {row["first"]: row["resource_id"] for row in first.annotate(first=Min("pk"))}
    return seen | _newest(rest)


def _newest(owners: dict[int, int], within: timedelta | None = None) -> dict[int, datetime]:
    seen: dict[int, datetime] = {}
    for series, (moment, _) in latest_points(list(owners), within).items():
        owner = owners[series]
        seen[owner] = max(moment, seen.get(owner, moment))
    return seen


def plotted(found: Listing) -> str:
    """The query of a plot of the first metrics of the page, if there are several."""
    first = [metric.uuid for metric in found.page[:MOST_METRICS]]
    return PlotQuery(metrics=tuple(first)).encoded() if len(first) > 1 else ""


@page
def resource(request: PageRequest, uuid: UUID) -> HttpResponse:
    one = get_object_or_404(Resource.objects.scope(request.principal), uuid=uuid)
    words = query.text(request, "q")
    metrics = one.metrics.filter(name__icontains=words).order_by("name")
    found = listing(request, metrics, METERS_A_PAGE)
    context = {
        "resource": one,
        "listing": found,
        "rows": with_latest(request.principal, list(found.page), now()),
        "plotted": plotted(found),
        "events": newest_about(
            Event.objects.scope(request.principal), one.original_id, EVENTS_OF_A_RESOURCE
        ),
        "revisions": list(one.revisions.order_by("-valid_from")[:20]),
        "q": words,
    }
    return show(request, "resource", context, section="resources", title=one.display_name)


@page
def meters(request: PageRequest) -> HttpResponse:
    words = query.text(request, "q")
    visible = Metric.objects.scope(request.principal)
    rows = visible.values("name")
    for word in words.split():
        rows = rows.filter(name__icontains=word)
    counted = rows.annotate(resources=Count("pk"), unit=Max("unit"), type=Max("type")).order_by(
        "name"
    )
    found = listing(request, counted)
    seen = newest_of_meters(visible, [row["name"] for row in found.page])
    context = {
        "listing": found,
        "rows": [(row, seen.get(row["name"])) for row in found.page],
        "q": words,
    }
    return show(request, "meters", context, section="meters", title="Meters")


def newest_of_meters(visible: QuerySet[Metric], names: list[str]) -> dict[str, datetime]:
    """{meter: newest sample} by the series made last of each, up to SERIES_LOOKED_AT."""
    place = Window(RowNumber(), partition_by=[F("name")], order_by=F("pk").desc())
    ranked = visible.filter(name__in=names).annotate(place=place)
    series = dict(ranked.filter(place__lte=SERIES_LOOKED_AT).values_list("pk", "name"))
    seen: dict[str, datetime] = {}
    for pk, (moment, _) in latest_points(list(series)).items():
        seen[series[pk]] = max(moment, seen.get(series[pk], moment))
    return seen


@page
def meter(request: PageRequest) -> HttpResponse:
    """One meter with the resources that have it. The name stands in the query: it is any text."""
    name = query.text(request, "name")
    if not name:
        raise BadRequest("name: which meter? e.g. ?name=cpu")
    words = query.text(request, "q")
    visible = Metric.objects.scope(request.principal).filter(name=name)
    found_any = visible.select_related("resource").order_by("-pk")
    get_object_or_404(found_any[:1])
    rows = found_any.filter(
        Q(resource__original_id__icontains=words) | Q(resource__metadata__name__icontains=words)
        | Q(resource__metadata__display_name__icontains=words)
    ) if words else found_any  # fmt: skip
    found = listing(request, rows)
    context = {
        "name": name,
        "listing": found,
        "rows": with_latest(request.principal, list(found.page), now()),
        "plotted": plotted(found),
        "q": words,
    }
    return show(request, "meter", context, section="meters", title=name)
