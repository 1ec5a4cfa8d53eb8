"""Alarms under the metering API: its clients ask everything of one endpoint."""

from alarms.alarming_api.urls import SHARED

urlpatterns = SHARED
