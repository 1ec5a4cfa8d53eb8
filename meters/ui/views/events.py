"""Events: list with filters, one event."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404

from meters.models import Event, Resource
from meters.store.distinct import first_values
from meters.traits import RESOURCE_TRAITS
from meters.ui import eventquery
from meters.ui.access import PageRequest, page
from meters.ui.eventquery import MOST_CONDITIONS, OPERATORS, RANGES, Condition
from meters.ui.rendering import Listing, listing, show
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import now

TYPES_OFFERED = 200
#: Where not all types may be known, those of so many events are offered.
EVENTS_LOOKED_AT = 1_000
CHIEF_TRAITS = ("display_name", "name", "state", "status", *RESOURCE_TRAITS)
#: They say whose it is, which the reader of the list mostly knows.
DULL_TRAITS = ("project_id", "tenant_id", "user_id", "request_id", "service")
TRAITS_SHOWN = 6


@page
def events(request: PageRequest) -> HttpResponse:
    visible = Event.objects.scope(request.principal)
    asked = eventquery.read(request)
    rows = asked.among(visible, now())
    found: Listing = listing(request, rows.order_by("-generated", "-pk"))
    context = {
        "listing": found,
        "rows": [(event, chief_traits(event)) for event in found.page],
        "asked": asked,
        "conditions": [*asked.conditions, Condition()][:MOST_CONDITIONS],
        "most_conditions": MOST_CONDITIONS,
        "operators": OPERATORS,
        "ranges": list(RANGES),
        "types": _types(request.principal, visible),
        "traits": _names(found.page),
    }
    return show(request, "events", context, section="events", title="Events")


def _types(principal: Principal, visible: QuerySet[Event]) -> list[str]:
    """To choose from: all, or those of the newest events of one's own projects."""
    if principal.is_admin:
        return [name for (name,) in first_values(Event, ["event_type"], TYPES_OFFERED)]
    newest = visible.order_by("-generated", "-pk").values_list("event_type", flat=True)
    return sorted(set(newest[:EVENTS_LOOKED_AT]))[:TYPES_OFFERED]


def _names(shown: Iterable[Event]) -> list[str]:
    """What the page's own events have, to choose from: of all events it would be dear."""
    return sorted({name for event in shown for name in event.traits})


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
    resources = _resources(request.principal, one)
    traits = [
        {
            "name": name,
            "type": one.trait_types.get(name, "text"),
            "value": value,
            "moment": _moment(one.trait_types.get(name), value),
            "resource": resources.get(value) if name in RESOURCE_TRAITS else None,
        }
        for name, value in sorted(one.traits.items())
    ]
    context = {
        "event": one,
        "traits": traits,
        "raw": json.dumps(one.raw, indent=2, ensure_ascii=False) if one.raw else "",
    }
    return show(request, "event", context, section="events", title=one.event_type)


def _moment(kind: str | None, value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if kind == "datetime" else None


def _resources(principal: Principal, one: Event) -> dict[Any, UUID]:
    """{its id: its UUID} of the resources that the event is about, as far as one may see them."""
    named = [one.traits[name] for name in RESOURCE_TRAITS if name in one.traits]
    visible = Resource.objects.scope(principal).filter(original_id__in=map(str, named))
    return dict(visible.order_by("-creator").values_list("original_id", "uuid"))
