"""Addresses of the metric API, as `middleware.tidy` leaves them: no slash at the end."""

from django.urls import path, re_path

from meters.metric_api.views import root

app_name = "metric_api"
urlpatterns = [
    path("", root.Root.as_view(), name="root"),
    path("healthcheck", root.Health.as_view(), name="healthcheck"),
    path("v1", root.Version.as_view(), name="version"),
    path("v1/capabilities", root.Capabilities.as_view(), name="capabilities"),
    path("v1/status", root.Status.as_view(), name="status"),
    re_path("^.*$", root.NoSuchPath.as_view(), name="no-such-path"),
]
