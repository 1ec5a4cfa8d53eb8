"""Every address of the alarming API, also those to come: nobody gets in, tokens keep to scopes."""

from __future__ import annotations

from pathlib import Path

import pytest

import alarms.alarming_api
from alarms.alarming_api.base import AlarmingView
from alarms.alarming_api.urls import urlpatterns
from telemetry_site.auth.principal import ALL_SCOPES
from tests.api.alarming.people import AlarmingClient, fault_of
from tests.api.people import make_people, token_of
from tests.security.doors import check_queries, routes
from tests.security.test_matrix import FORGED

pytestmark = pytest.mark.django_db
#: They say the same to everybody.
OPEN = {"", "healthcheck", "v2/capabilities", "^.*$"}
FILES = sorted(Path(alarms.alarming_api.__file__).parent.rglob("*.py"))


ROUTES = [
    (method, path.removeprefix("v2"), view) for method, path, view in routes(urlpatterns, OPEN)
]
IDS = [f"{method} {path}" for method, path, _ in ROUTES]


def test_there_are_routes() -> None:
    assert len(ROUTES) >= 14


@pytest.mark.parametrize(("method", "path", "view"), ROUTES, ids=IDS)
def test_nobody_gets_in(method: str, path: str, view: type[AlarmingView]) -> None:
    for headers in ({}, FORGED, {"Authorization": "basic YWRtaW46"}):
        for body in (None, {"name": "x"}):
            answer = AlarmingClient().ask(method, path, body, Accept="*/*", **headers)
            assert answer.status_code == 401, (headers, answer.content)


@pytest.mark.parametrize(("method", "path", "view"), ROUTES, ids=IDS)
def test_a_token_is_good_for_its_scope_only(
    method: str, path: str, view: type[AlarmingView]
) -> None:
    scope = view.scopes[method]
    client = AlarmingClient()
    client.sent["X-Auth-Token"] = token_of(make_people()["admin"], ALL_SCOPES - {scope})
    text = fault_of(client.ask(method, path, {}), 403)
    assert f"lacks the scope `{scope}`" in text


def test_what_only_reads_is_named_here() -> None:
    """A `POST` for tokens that may only read."""
    posts = [(path, view) for method, path, view in ROUTES if method == "POST"]
    asking = {path for path, view in posts if view.scopes["POST"] == "read"}
    assert asking == {
        "/alarms/dry-run", "/query/alarms", "/query/alarms/history", "/silences/preview",
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_sql_and_no_clients_dictionary_is_expanded_into_a_query(file: Path) -> None:
    check_queries(file)
