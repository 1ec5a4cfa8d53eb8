"""Addresses below ``/prometheus``, which is what Grafana is given as the server's address."""

from django.urls import path, re_path

from meters.prometheus_api import views

app_name = "prometheus_api"
urlpatterns = [
    path("api/v1/query", views.Query.as_view(), name="query"),
    path("api/v1/query_range", views.QueryRange.as_view(), name="query_range"),
    path("api/v1/series", views.Series.as_view(), name="series"),
    path("api/v1/labels", views.LabelNames.as_view(), name="labels"),
    path("api/v1/label/<str:name>/values", views.LabelValues.as_view(), name="label_values"),
    path("api/v1/metadata", views.Metadata.as_view(), name="metadata"),
    path("api/v1/format_query", views.FormatQuery.as_view(), name="format_query"),
    path("api/v1/query_exemplars", views.Exemplars.as_view(), name="query_exemplars"),
    path("api/v1/rules", views.Rules.as_view(), name="rules"),
    path("api/v1/alerts", views.Alerts.as_view(), name="alerts"),
    path("api/v1/status/buildinfo", views.BuildInfo.as_view(), name="buildinfo"),
    re_path("^.*$", views.Nowhere.as_view(), name="nowhere"),
]
