from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from meters.ui.views import errors, session
from telemetry_site import health

_METERING = settings.TELEMETRY_METERING_API_PREFIX
urlpatterns = [
    # First what programs ask many times a second: patterns are tried one after the other.
    path(f"{settings.TELEMETRY_METRIC_API_PREFIX}/", include("meters.metric_api.urls")),
    path("-/healthy", health.healthy),
    path("-/ready", health.ready),
    path("healthcheck", health.ready),
    path("metrics", health.metrics),
    path("admin/login/", session.admin_login),
    path("admin/", admin.site.urls),
    path("api/", include("alarms.api.urls")),
    path("api/", include("meters.api.urls")),
    path(f"{settings.TELEMETRY_ALARMING_API_PREFIX}/", include("alarms.alarming_api.urls")),
    path("prometheus/", include("meters.prometheus_api.urls")),
    path("otlp/", include("meters.otlp_api.urls")),
    path(f"{_METERING}/", include("alarms.alarming_api.metering_urls")),
    path(f"{_METERING}/", include("meters.metering_api.urls")),
    path(f"{settings.TELEMETRY_EVENT_API_PREFIX}/", include("meters.event_api.urls")),
    path("", include("alarms.ui.urls")),
    path("", include("meters.ui.urls")),
]
handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.page_not_found
handler500 = errors.server_error
