"""What happened to alarms."""

from __future__ import annotations

from django.db.models import QuerySet

from alarms.api import serializers
from alarms.api.base import AlarmingView, OfAlarmView
from alarms.api.filters import AllHistoryFilters, HistoryFilters
from alarms.models import AlarmHistory
from meters.api.base import ListView


class AllHistory(AlarmingView, ListView):
    """What happened to the caller's projects' alarms, also deleted ones; newest first."""

    serializer_class = serializers.HistorySerializer
    filterset_class = AllHistoryFilters
    orderings = {"-timestamp": ("-timestamp", "-id"), "timestamp": ("timestamp", "id")}

    def get_queryset(self) -> QuerySet[AlarmHistory]:
        found: QuerySet[AlarmHistory] = AlarmHistory.objects.scope(self.principal)
        return found


class OneHistory(OfAlarmView, AllHistory):
    """What happened to one alarm, newest first."""

    filterset_class = HistoryFilters

    def get_queryset(self) -> QuerySet[AlarmHistory]:
        return super().get_queryset().filter(alarm_id=self.alarm().pk)
