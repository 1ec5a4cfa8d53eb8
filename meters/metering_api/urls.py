"""Addresses of the metering API, as its middleware leaves them: no slash at the end.

A name or an id is all the rest of a path: both may hold slashes. Alarms are mounted beside it.
"""

from django.urls import path, re_path

from meters.event_api.urls import EVENTS
from meters.metering_api.views import meters, resources, root, samples, statistics
from meters.wsme.open import Health, NoSuchPath

app_name = "metering_api"
urlpatterns = [
    path("", root.Root.as_view(), name="root"),
    path("healthcheck", Health.as_view(word="OK"), name="healthcheck"),
    path("v2/capabilities", root.Capabilities.as_view()),
    path("v2/meters", meters.Meters.as_view()),
    path("v2/meters/<path:meter>/statistics", statistics.Statistics.as_view()),
    path("v2/meters/<path:meter>", samples.Meter.as_view()),
    path("v2/samples", samples.Samples.as_view()),
    path("v2/samples/<path:sample_id>", samples.OneSample.as_view()),
    path("v2/resources", resources.Resources.as_view()),
    path("v2/resources/<path:resource_id>", resources.OneResource.as_view()),
    path("v2/query/samples", samples.QuerySamples.as_view()),
    *EVENTS,
    re_path("^.*$", NoSuchPath.as_view(), name="no-such-path"),
]
