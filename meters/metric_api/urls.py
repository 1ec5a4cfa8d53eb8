"""Addresses of the metric API, as `middleware.tidy` leaves them: no slash at the end."""

from django.urls import path, re_path

from meters.metric_api.views import (
    aggregates,
    aggregation,
    archive_policies,
    batch,
    influxdb,
    metrics,
    prometheus,
    resource_types,
    resources,
    root,
    search_metric,
)

_RESOURCE = "v1/resource/<str:type>/<str:id>"

app_name = "metric_api"
urlpatterns = [
    # First what is asked most, as in telemetry_site.urls.
    path("v1/metric/<str:metric_id>", metrics.OneMetric.as_view()),
    path("v1/metric/<str:metric_id>/measures", metrics.Measures.as_view()),
    path("v1/batch/resources/metrics/measures", batch.ResourcesMeasures.as_view()),
    path("", root.Root.as_view(), name="root"),
    path("healthcheck", root.Health.as_view(), name="healthcheck"),
    path("v1", root.Version.as_view(), name="version"),
    path("v1/archive_policy", archive_policies.Policies.as_view()),
    path("v1/archive_policy/<str:name>", archive_policies.Policy.as_view()),
    path("v1/archive_policy_rule", archive_policies.Rules.as_view()),
    path("v1/archive_policy_rule/<str:name>", archive_policies.Rule.as_view()),
    path("v1/capabilities", root.Capabilities.as_view(), name="capabilities"),
    path("v1/status", root.Status.as_view(), name="status"),
    path("v1/metric", metrics.Metrics.as_view()),
    path("v1/batch/metrics/measures", batch.MetricsMeasures.as_view()),
    path("v1/resource", resources.Index.as_view()),
    path("v1/resource/<str:type>", resources.Resources.as_view()),
    path(_RESOURCE, resources.OneResource.as_view()),
    path(f"{_RESOURCE}/history", resources.History.as_view()),
    path(f"{_RESOURCE}/metric", resources.ResourceMetrics.as_view()),
    path(f"{_RESOURCE}/metric/<str:name>", resources.ResourceMetric.as_view()),
    path(f"{_RESOURCE}/metric/<str:name>/measures", resources.ResourceMeasures.as_view()),
    path("v1/resource_type", resource_types.Types.as_view()),
    path("v1/resource_type/<str:name>", resource_types.Type.as_view()),
    path("v1/search/resource/<str:type>", resources.SearchResources.as_view()),
    path("v1/search/metric", search_metric.SearchMetrics.as_view()),
    path("v1/aggregates", aggregates.Aggregates.as_view()),
    path("v1/aggregation/metric", aggregation.AggregationOfMetrics.as_view()),
    path("v1/aggregation/resource/<str:type>/metric", aggregation.Nameless.as_view()),
    path(
        "v1/aggregation/resource/<str:type>/metric/<str:name>",
        aggregation.AggregationOfResources.as_view(),
    ),
    path("v1/prometheus/write", prometheus.Write.as_view()),
    path("v1/influxdb/ping", influxdb.Ping.as_view()),
    path("v1/influxdb/query", influxdb.Query.as_view()),
    path("v1/influxdb/write", influxdb.Write.as_view()),
    re_path("^.*$", root.NoSuchPath.as_view(), name="no-such-path"),
]
