"""Every address of the metric API, also those to come: nobody gets in, tokens keep to scopes."""

from __future__ import annotations

from pathlib import Path

import pytest

import meters.metric_api.views
from meters.metric_api.base import SEARCHING, MetricView
from meters.metric_api.urls import urlpatterns
from telemetry_site.auth.principal import ALL_SCOPES
from tests.api.metric.people import MetricClient
from tests.api.people import make_people, token_of
from tests.security.doors import check_queries, routes
from tests.security.test_matrix import FORGED

pytestmark = pytest.mark.django_db
#: They say the same to everybody.
OPEN = {"", "healthcheck", "v1", "v1/capabilities", "v1/influxdb/ping", "^.*$"}
FILES = sorted(Path(meters.metric_api.views.__file__).parent.parent.rglob("*.py"))
NAMES = {"type": "generic", "id": "r1", "metric_id": "00000000-0000-4000-8000-000000000000"}


ROUTES = [
    (method, path.removeprefix("v1"), view)
    for method, path, view in routes(urlpatterns, OPEN, NAMES, other="x")
]
IDS = [f"{method} {path}" for method, path, _ in ROUTES]


def test_there_are_routes() -> None:
    assert len(ROUTES) > 40


@pytest.mark.parametrize(("method", "path", "view"), ROUTES, ids=IDS)
def test_nobody_gets_in(method: str, path: str, view: type[MetricView]) -> None:
    for headers in ({}, FORGED, {"Authorization": "basic YWRtaW46"}):
        for body in (None, {"id": "x", "name": "x"}):
            answer = MetricClient().ask(method, path, body, Accept="*/*", **headers)
            assert answer.status_code == 401, (headers, answer.content)


@pytest.mark.parametrize(("method", "path", "view"), ROUTES, ids=IDS)
def test_a_token_is_good_for_its_scope_only(method: str, path: str, view: type[MetricView]) -> None:
    scope = view.scopes[method]
    client = MetricClient()
    client.sent["X-Auth-Token"] = token_of(make_people()["admin"], ALL_SCOPES - {scope})
    answer = client.ask(method, path, {}, Accept="*/*")
    assert answer.status_code == 403
    assert method == "HEAD" or f"lacks the scope `{scope}`" in answer.content.decode()


def test_what_only_reads_is_named_here() -> None:
    """A new view of `SEARCHING` is a `POST` for tokens that may only read."""
    posts = [(path, view) for method, path, view in ROUTES if method == "POST"]
    asking = {path for path, view in posts if view.scopes is SEARCHING}
    assert asking == {
        "/search/resource/generic", "/search/metric", "/aggregates", "/aggregation/metric",
        "/aggregation/resource/generic/metric/x",
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_sql_and_no_clients_dictionary_is_expanded_into_a_query(file: Path) -> None:
    check_queries(file, r"execute\(f")
