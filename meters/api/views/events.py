"""Events and their types."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from meters.api import serializers
from meters.api.base import DetailView, ListView
from meters.api.filters import EventFilters, EventTypeFilters
from meters.models import Event


class EventList(ListView):
    """Events of the caller's projects, newest first unless told. All conditions must hold."""

    serializer_class = serializers.EventSerializer
    filterset_class = EventFilters
    orderings = {"-generated": ("-generated", "-id"), "generated": ("generated", "id")}

    def get_queryset(self) -> QuerySet[Event]:
        return Event.objects.scope(self.principal)


class EventDetail(DetailView):
    """One event."""

    serializer_class = serializers.EventSerializer
    lookup_field = "message_id"

    def get_queryset(self) -> QuerySet[Event]:
        return Event.objects.scope(self.principal)


class EventTypeList(ListView):
    """The types of the caller's events."""

    serializer_class = serializers.EventTypeSerializer
    filterset_class = EventTypeFilters
    orderings = {"event_type": ("event_type",), "-event_type": ("-event_type",)}

    def get_queryset(self) -> QuerySet[Any]:
        return Event.objects.scope(self.principal).values("event_type").distinct()
