"""Addresses below ``/otlp``, which is what an exporter is given as its endpoint."""

from django.urls import path, re_path

from meters.otlp_api import views

app_name = "otlp_api"
urlpatterns = [
    path("v1/metrics", views.Metrics.as_view(), name="metrics"),
    re_path("^.*$", views.Nowhere.as_view(), name="nowhere"),
]
