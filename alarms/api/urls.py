"""Addresses of alarms and notifications in the native door."""

from django.urls import path

from alarms.api.views import (
    alarms,
    dryrun,
    history,
    inhibitions,
    notifications,
    receivers,
    routes,
    silences,
)

app_name = "alarms-api"
urlpatterns = [
    path("alarms", alarms.AlarmList.as_view(), name="alarms"),
    path("alarms/dry-run", dryrun.DryRun.as_view(), name="dry-run"),
    path("alarms/preview", alarms.Preview.as_view(), name="preview"),
    path("alarms/<uuid:uuid>", alarms.AlarmDetail.as_view(), name="alarm"),
    path("alarms/<uuid:uuid>/state", alarms.AlarmState.as_view(), name="state"),
    path("alarms/<uuid:uuid>/test", alarms.AlarmTest.as_view(), name="test"),
    path("alarms/<uuid:uuid>/ack", silences.AlarmAcknowledgement.as_view(), name="ack"),
    path("inhibitions", inhibitions.InhibitionList.as_view(), name="inhibitions"),
    path("inhibitions/<uuid:uuid>", inhibitions.InhibitionDetail.as_view(), name="inhibition"),
    path("receivers", receivers.ReceiverList.as_view(), name="receivers"),
    path("receivers/<uuid:uuid>", receivers.ReceiverDetail.as_view(), name="receiver"),
    path("receivers/<uuid:uuid>/test", receivers.ReceiverTest.as_view(), name="receiver-test"),
    path("routes", routes.RouteList.as_view(), name="routes"),
    path("routes/<uuid:uuid>", routes.RouteDetail.as_view(), name="route"),
    path("silences", silences.SilenceList.as_view(), name="silences"),
    path("silences/preview", silences.SilencePreview.as_view(), name="silence-preview"),
    path("silences/<uuid:uuid>", silences.SilenceDetail.as_view(), name="silence"),
    path("alarms/<uuid:uuid>/history", history.OneHistory.as_view(), name="one-history"),
    path(
        "alarms/<uuid:uuid>/notifications",
        notifications.AlarmNotifications.as_view(),
        name="alarm-notifications",
    ),
    path("alarm-history", history.AllHistory.as_view(), name="history"),
    path("notifications", notifications.NotificationList.as_view(), name="notifications"),
    path(
        "notifications/<uuid:uuid>",
        notifications.NotificationDetail.as_view(),
        name="notification",
    ),
    path(
        "notifications/<uuid:uuid>/retry", notifications.NotificationRetry.as_view(), name="retry"
    ),
    path(
        "notifications/<uuid:uuid>/cancel",
        notifications.NotificationCancel.as_view(),
        name="cancel",
    ),
]
