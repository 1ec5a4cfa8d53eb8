"""Events: list with filters, one event."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpResponse
from django.shortcuts import get_object_or_404

from meters.models import Event
from meters.ui import query
from meters.ui.access import PageRequest, page
from meters.ui.rendering import Listing, listing, show
from telemetry_site.clock import now

RANGES = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
TYPES_OFFERED = 200
#: Traits by which services name what an event is about.
RESOURCE_TRAITS = ("resource_id", "instance_id", "volume_id", "image_id", "snapshot_id", "host")
CHIEF_TRAITS = ("display_name", "name", "state", "status", *RESOURCE_TRAITS)
#: They say whose it is, which the reader of the list mostly knows.
DULL_TRAITS = ("project_id", "tenant_id", "user_id", "request_id", "service")
TRAITS_SHOWN = 6


@page
def events(request: PageRequest) -> HttpResponse:
    visible = Event.objects.scope(request.principal)
    asked = {name: query.text(request, name) for name in ("type", "trait", "value", "resource")}
    span = query.choice(request, "range", ["", *RANGES])
    start, stop = query.moment(request, "start"), query.moment(request, "stop")
    rows = _chosen(visible, asked)
    if span:
        rows = rows.filter(generated__gte=now() - RANGES[span])
    if start:
        rows = rows.filter(generated__gte=start)
    if stop:
        rows = rows.filter(generated__lt=stop)
    found: Listing = listing(request, rows.order_by("-generated", "-pk"))
    context = {
        "listing": found,
        "rows": [(event, chief_traits(event)) for event in found.page],
        "asked": asked,
        "range": span,
        "ranges": list(RANGES),
        "start": start,
        "stop": stop,
        "types": visible.order_by("event_type")
        .values_list("event_type", flat=True)
        .distinct()[:TYPES_OFFERED],
        "filtered": any(asked.values()) or bool(span or start or stop),
    }
    return show(request, "events", context, section="events", title="Events")


def _chosen(rows: QuerySet[Event], asked: dict[str, str]) -> QuerySet[Event]:
    """Type by prefix (`compute.instance.`) or whole; a trait by name, by value, or both."""
    if asked["resource"]:
        rows = rows.filter(_about(asked["resource"]))
    if asked["type"]:
        rows = rows.filter(event_type__startswith=asked["type"])
    if asked["trait"] and asked["value"]:
        return rows.filter(_trait_is(asked["trait"], asked["value"]))
    if asked["trait"]:
        return rows.filter(traits__has_key=asked["trait"])
    if asked["value"]:
        as_text = rows.annotate(traits_text=Cast("traits", TextField()))
        return as_text.filter(traits_text__icontains=asked["value"])
    return rows


def _about(resource_id: str) -> Q:
    """Events whose traits name the resource, whatever their service calls it."""
    found = Q()
    for name in RESOURCE_TRAITS:
        found |= Q(traits__contains={name: resource_id})
    return found


def _trait_is(name: str, value: str) -> Q:
    """A trait's value as text, or as the number that the text is."""
    wanted = Q(traits__contains={name: value})
    try:
        number = float(value)
    except ValueError:
        return wanted
    if number != number or number in (float("inf"), float("-inf")):
        return wanted
    return wanted | Q(traits__contains={name: int(number) if number == int(number) else number})


def chief_traits(event: Event) -> list[tuple[str, Any]]:
    """The few traits that a list has room for, those that say what it is about first."""
    names = sorted(event.traits, key=lambda name: (_weight(name), name))
    return [(name, event.traits[name]) for name in names[:TRAITS_SHOWN]]


def _weight(name: str) -> int:
    if name in CHIEF_TRAITS:
        return CHIEF_TRAITS.index(name)
    return len(CHIEF_TRAITS) + (name in DULL_TRAITS)


@page
def event(request: PageRequest, pk: int) -> HttpResponse:
    one = get_object_or_404(Event.objects.scope(request.principal), pk=pk)
    traits = [
        (name, one.trait_types.get(name, "text"), value)
        for name, value in sorted(one.traits.items())
    ]
    context = {
        "event": one,
        "traits": traits,
        "raw": json.dumps(one.raw, indent=2, ensure_ascii=False) if one.raw else "",
    }
    return show(request, "event", context, section="events", title=one.event_type)
