"""The views of the event API; the metering API has them, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from meters.event_api import paging
from meters.event_api.conditions import ALL_TENANTS, NOTHING, condition, span_of_traits
from meters.event_api.shapes import TYPES, event_json, value_text
from meters.metric_api import addresses
from meters.models import Event
from meters.store.distinct import first_values
from meters.wsme import capabilities as able
from meters.wsme.classic import ClassicView, bounded, mark_cut
from meters.wsme.errors import Fault, foreign, invalid
from meters.wsme.open import CapabilitiesView, VersionView
from meters.wsme.simple import NAMES, Term, read_terms
from meters.wsme.values import is_yes

#: Events whose traits are read at once.
AT_ONCE = 1000


class Root(VersionView):
    def root_url(self, request: HttpRequest) -> str:
        return f"{addresses.site_url(request)}/{settings.TELEMETRY_EVENT_API_PREFIX}"


class Capabilities(CapabilitiesView):
    capabilities = {"api": able.EVENTS, **able.EVENT_STORAGE}


class EventView(ClassicView):
    """Of events, which are their user's and not only their project's (telemetry-api.md 7.3)."""

    parameters: Sequence[str] = ()

    def visible(self, everywhere: bool) -> Q:
        """An administrator sees the own project's and nobody's, or those of all projects."""
        caller = self.caller
        if not caller.user_id:
            raise Fault(403)
        if caller.is_admin:
            is_of_all = everywhere or not caller.project_id
            of_nobody = Q(project_id=None)
            return Q() if is_of_all else Q(project_id=caller.project_id) | of_nobody
        if not caller.project_id:
            raise Fault(403)
        return Q(project_id=caller.project_id, user_id=caller.user_id)


class Events(EventView):
    parameters = (*NAMES, "limit", "marker", "sort")

    def get(self, request: Request) -> HttpResponse:
        """The oldest first, unless told."""
        terms, limit = read_terms(self.arguments()), self._limit()
        wanted, others = self._scope(terms)
        rows: QuerySet[Event] = Event.objects.filter(wanted, condition(others))
        order = paging.order_of(self.arguments().getlist("sort"))
        marker = self.arguments().get("marker")
        found = paging.page(rows, order, marker, limit + 1, span_of_traits(others))
        shown = found[:limit]
        last = shown[-1].message_id if len(found) > limit else None
        return self.cut_list([event_json(event) for event in shown], last)

    def _scope(self, terms: Sequence[Term]) -> tuple[Q, list[Term]]:
        """What may be seen, and the terms that are left. To all but administrators `all_tenants`
        is the name of a trait that no event has."""
        asked = [term for term in terms if term.field == ALL_TENANTS]
        everywhere = any(is_yes(term.value) for term in asked)
        visible = self.visible(everywhere)
        if asked and not self.caller.is_admin:
            visible &= NOTHING
        return visible, [term for term in terms if term.field != ALL_TENANTS]

    def _limit(self) -> int:
        """0 is the usual one."""
        asked = self.whole_number("limit")
        if asked is not None and asked < 0:
            raise invalid("limit", asked, "the limit should be a positive integer.")
        return bounded(asked or None)


class OneEvent(EventView):
    def get(self, request: Request, message_id: str) -> HttpResponse:
        event = Event.objects.filter(self.visible(True), message_id=message_id).first()
        if event is None:
            raise Fault(404, f"Event {message_id} Not Found")
        return self.answer(event_json(event))


class AdminView(EventView):
    """Types and traits are of all events, so only administrators see them."""

    def require_admin(self) -> None:
        if not self.caller.is_admin:
            raise foreign("project", self.caller.project_id)

    @property
    def most(self) -> int:
        """Entries of an answer: who asks can't say how many."""
        return bounded(settings.TELEMETRY_CLASSIC_MAX_LIMIT)

    def cut_whole(self, items: Sequence[Any]) -> HttpResponse:
        """What does not go into one answer can't be asked for: it says that it is cut."""
        return mark_cut(self.answer(items[: self.most]), len(items) > self.most)


class EventTypes(AdminView):
    def get(self, request: Request) -> HttpResponse:
        self.require_admin()
        names = [name for (name,) in first_values(Event, ["event_type"], self.most + 1)]
        return self.cut_whole(names)


class OneEventType(AdminView):
    """There is no such thing, but for the traits below it."""

    def get(self, request: Request, event_type: str) -> HttpResponse:
        self.require_admin()
        raise Fault(404, f"EventType {event_type} Not Found")


class TraitDescriptions(AdminView):
    def get(self, request: Request, event_type: str) -> HttpResponse:
        """Names and types of all traits that events of the type have."""
        self.require_admin()
        rows = Event.objects.filter(event_type=event_type)
        known: set[tuple[str, str]] = set()
        for types in rows.values_list("trait_types", flat=True).distinct().iterator(AT_ONCE):
            known |= set(types.items())
        order = list(TYPES)
        listed = sorted(known, key=lambda pair: (order.index(pair[1]), pair[0]))
        return self.cut_whole([{"type": TYPES[kind], "name": name} for name, kind in listed])


class Traits(AdminView):
    def get(self, request: Request, event_type: str, trait: str) -> HttpResponse:
        """Every value of the trait, as far as one answer goes."""
        self.require_admin()
        rows = Event.objects.filter(event_type=event_type, traits__has_key=trait).order_by("id")
        return self.cut_whole(list(_traits(rows[: self.most + 1], trait)))


def _traits(rows: Iterable[Event], name: str) -> Iterable[dict[str, Any]]:
    for event in rows:
        kind = event.trait_types.get(name, "text")
        value = value_text(kind, event.traits[name])
        yield {"name": name, "value": value, "type": TYPES[kind]}
