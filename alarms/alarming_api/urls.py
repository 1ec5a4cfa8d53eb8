"""Addresses of the alarming API, as its middleware leaves them: no slash at the end."""

from django.urls import path, re_path

from alarms.alarming_api.views import (
    alarms,
    dryrun,
    inhibitions,
    notifications,
    queries,
    quotas,
    root,
    routes,
    silences,
    testing,
)
from meters.wsme.open import NoSuchPath

#: What ceilometer had in its own API, and aodh took over.
SHARED = [
    path("v2/alarms", alarms.Alarms.as_view()),
    path("v2/alarms/dry-run", dryrun.DryRun.as_view()),
    path("v2/alarms/<str:alarm_id>", alarms.OneAlarm.as_view()),
    path("v2/alarms/<str:alarm_id>/state", alarms.AlarmState.as_view()),
    path("v2/alarms/<str:alarm_id>/test", testing.AlarmTest.as_view()),
    path("v2/alarms/<str:alarm_id>/history", alarms.History.as_view()),
    path("v2/alarms/<str:alarm_id>/ack", silences.AlarmAcknowledgement.as_view()),
    path("v2/query/alarms", queries.QueryAlarms.as_view()),
    path("v2/query/alarms/history", queries.QueryHistory.as_view()),
]
app_name = "alarming_api"
urlpatterns = [
    path("", root.Root.as_view(), name="root"),
    path("healthcheck", root.AlarmingHealth.as_view(), name="healthcheck"),
    *SHARED,
    path("v2/inhibitions", inhibitions.Inhibitions.as_view()),
    path("v2/inhibitions/<str:inhibition_id>", inhibitions.OneInhibition.as_view()),
    path("v2/notifications", notifications.Notifications.as_view()),
    path("v2/notifications/<str:row_id>", notifications.OneNotification.as_view()),
    path("v2/routes", routes.Routes.as_view()),
    path("v2/routes/<str:route_id>", routes.OneRoute.as_view()),
    path("v2/silences", silences.Silences.as_view()),
    path("v2/silences/preview", silences.SilencePreview.as_view()),
    path("v2/silences/<str:silence_id>", silences.OneSilence.as_view()),
    path("v2/capabilities", root.Capabilities.as_view()),
    path("v2/quotas", quotas.Quotas.as_view()),
    path("v2/quotas/<str:project_id>", quotas.OneQuota.as_view()),
    path("v2/metrics", quotas.Metrics.as_view()),
    re_path("^.*$", NoSuchPath.as_view(), name="no-such-path"),
]
