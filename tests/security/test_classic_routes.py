"""Every address of the metering and event API, also those to come: nobody gets in, tokens keep to
their scopes."""

from __future__ import annotations

from pathlib import Path

import pytest

import meters.event_api
import meters.metering_api
import meters.wsme
from alarms.alarming_api import metering_urls
from meters.event_api.urls import urlpatterns as event_urls
from meters.metering_api.urls import urlpatterns as classic_urls
from meters.wsme.view import WsmeView
from telemetry_site.auth.principal import ALL_SCOPES
from tests.api.alarming.people import fault_of
from tests.api.people import make_people, token_of
from tests.security.doors import check_queries, routes
from tests.security.test_matrix import FORGED
from tests.support.doors import DoorClient

pytestmark = pytest.mark.django_db
#: They say the same to everybody.
OPEN = {"", "healthcheck", "v2/capabilities", "^.*$"}
PACKAGES = (meters.metering_api, meters.event_api, meters.wsme)
FILES = sorted(file for one in PACKAGES for file in Path(one.__file__ or "").parent.rglob("*.py"))
DOORS = {"metering": [*metering_urls.urlpatterns, *classic_urls], "event": event_urls}


ROUTES = [
    (method, f"/{door}/{path}", view)
    for door, patterns in DOORS.items()
    for method, path, view in routes(patterns, OPEN)
]
IDS = [f"{method} {path}" for method, path, _ in ROUTES]


def test_there_are_routes() -> None:
    assert len(ROUTES) >= 28


@pytest.mark.parametrize(("method", "path", "view"), ROUTES, ids=IDS)
def test_nobody_gets_in(method: str, path: str, view: type[WsmeView]) -> None:
    for headers in ({}, FORGED, {"Authorization": "basic YWRtaW46"}):
        answer = DoorClient().ask(method, path, Accept="*/*", **headers)
        assert answer.status_code == 401, (headers, answer.content)


@pytest.mark.parametrize(("method", "path", "view"), ROUTES, ids=IDS)
def test_a_token_is_good_for_its_scope_only(method: str, path: str, view: type[WsmeView]) -> None:
    scope = view.scopes[method]
    client = DoorClient()
    client.sent["X-Auth-Token"] = token_of(make_people()["admin"], ALL_SCOPES - {scope})
    assert f"lacks the scope `{scope}`" in fault_of(client.ask(method, path), 403)


def test_what_only_reads_is_named_here() -> None:
    """A `POST` for tokens that may only read."""
    posts = [(path, view) for method, path, view in ROUTES if method == "POST"]
    asking = {path for path, view in posts if view.scopes["POST"] == "read"}
    assert asking == {
        "/metering/v2/query/samples", "/metering/v2/query/alarms",
        "/metering/v2/query/alarms/history", "/metering/v2/alarms/dry-run",
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_sql_and_no_clients_dictionary_is_expanded_into_a_query(file: Path) -> None:
    check_queries(file)
