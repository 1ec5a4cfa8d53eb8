"""Addresses of the native door. Without a slash at the end, and none is added."""

from django.urls import path, re_path
from drf_spectacular.utils import extend_schema

from meters.api.views import catalogue, events, operations, root, samples, statistics, tokens, why

app_name = "api"
urlpatterns = [
    path("", root.Root.as_view(), name="root"),
    path("resources", catalogue.ResourceList.as_view(), name="resources"),
    path("resources/<uuid:uuid>", catalogue.ResourceDetail.as_view(), name="resource"),
    path("resources/<uuid:uuid>/revisions", catalogue.RevisionList.as_view(), name="revisions"),
    path("metrics", catalogue.MetricList.as_view(), name="metrics"),
    path("metrics/<uuid:uuid>", catalogue.MetricDetail.as_view(), name="metric"),
    path("metrics/<uuid:uuid>/samples", samples.MetricSamples.as_view(), name="metric-samples"),
    path(
        "metrics/<uuid:uuid>/statistics",
        statistics.MetricStatistics.as_view(),
        name="metric-statistics",
    ),
    path("meters", catalogue.MeterList.as_view(), name="meters"),
    path("samples", samples.Samples.as_view(), name="samples"),
    path("statistics", statistics.Statistics.as_view(), name="statistics"),
    path("events", events.EventList.as_view(), name="events"),
    path("events/<path:message_id>", events.EventDetail.as_view(), name="event"),
    path("event-types", events.EventTypeList.as_view(), name="event-types"),
    path("sources", operations.SourceList.as_view(), name="sources"),
    path("sources/<int:pk>", operations.SourceDetail.as_view(), name="source"),
    path("quarantine", operations.QuarantineList.as_view(), name="quarantine"),
    path("quarantine/replay", operations.QuarantineReplay.as_view(), name="quarantine-replay"),
    path("quarantine/discard", operations.QuarantineDiscard.as_view(), name="quarantine-discard"),
    path("quarantine/<int:pk>", operations.QuarantineDetail.as_view(), name="quarantine-row"),
    path("why", why.Why.as_view(), name="why"),
    path("status", operations.StatusView.as_view(), name="status"),
    path("tokens", tokens.TokenList.as_view(), name="tokens"),
    path("tokens/<int:pk>", tokens.TokenDetail.as_view(), name="token"),
    path("schema", root.Schema.as_view(), name="schema"),
    path("docs", root.Docs.as_view(url_name="api:schema"), name="docs"),
    re_path("^.*$", extend_schema(exclude=True)(root.NoSuchPage).as_view(), name="no-such-page"),
]
