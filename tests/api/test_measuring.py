"""Each answer is measured, under names that no client can make up."""

from __future__ import annotations

import pytest
from django.test import Client
from prometheus_client import REGISTRY

pytestmark = pytest.mark.django_db
NAME = "telemetry_http_request_duration_seconds_count"


def count(door: str, route: str, method: str, status: str) -> float:
    labels = {"door": door, "route": route, "method": method, "status_class": status}
    return REGISTRY.get_sample_value(NAME, labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/-/healthy", ("operations", "-/healthy", "GET", "2xx")),
        ("GET", "/api/resources", ("api", "api/resources", "GET", "4xx")),
        ("GET", "/", ("ui", "", "GET", "3xx")),
        ("GET", "/api/no/such/thing", ("api", "api/.*$", "GET", "4xx")),
        ("GET", "/wp-login.php", ("ui", "other", "GET", "4xx")),
        ("BREW", "/-/healthy", ("operations", "-/healthy", "other", "4xx")),
    ],
)
def test_a_request_counts_once_by_door_route_method_and_class(
    client: Client, method: str, path: str, labels: tuple[str, str, str, str]
) -> None:
    before = count(*labels)
    client.generic(method, path)
    assert count(*labels) == before + 1
