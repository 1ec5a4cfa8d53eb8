"""How far behind the metric API is (never), who may know, and what a token must be good for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.metric.people import MetricClient, error_of
from tests.api.people import make_people, token_of

NOTHING_WAITS = {"summary": {"metrics": 0, "measures": 0}, "measures_to_process": {}}


@pytest.mark.parametrize("query", ["", "?details=true", "?details=True", "?details=1"])
def test_nothing_ever_waits(admin: MetricClient, query: str) -> None:
    told = admin.fetch(f"/status{query}")
    assert told["storage"] == NOTHING_WAITS
    assert set(told["metricd"]) == {"processors", "statistics"}


def test_details_may_be_left_out(admin: MetricClient) -> None:
    told = admin.fetch("/status?details=False")
    assert told["storage"] == {"summary": {"metrics": 0, "measures": 0}}


def test_details_are_wanted_or_not(admin: MetricClient) -> None:
    told = error_of(admin.ask("GET", "/status?details=zz"), 400)
    assert told.startswith("Unable to parse `details': Unrecognized value 'zz'")


def test_status_is_for_administrators(jd: MetricClient, nobody: MetricClient) -> None:
    assert error_of(jd.ask("GET", "/status"), 403) == ""
    assert error_of(nobody.ask("GET", "/status"), 401) == ""


# --- tokens of ours ----------------------------------------------------------------------------


def with_token(name: str, *scopes: str) -> MetricClient:
    client = MetricClient()
    client.sent["X-Auth-Token"] = token_of(make_people()[name], scopes)
    return client


POLICY = {"name": "p", "definition": [{"granularity": 60}]}


@pytest.mark.parametrize(
    ("method", "path", "body", "scope"),
    [
        ("GET", "/archive_policy", None, "read"),
        ("POST", "/archive_policy", POLICY, "admin"),
        ("PATCH", "/archive_policy/p", POLICY, "admin"),
        ("DELETE", "/archive_policy/p", None, "admin"),
        ("GET", "/status", None, "admin"),
    ],
)
def test_a_token_without_the_scope_is_refused(
    db: None, method: str, path: str, body: Any, scope: str
) -> None:
    others = {"read", "ingest", "alarms", "admin"} - {scope}
    refused = with_token("admin", *others).ask(method, path, body)
    assert error_of(refused, 403) == f"The token lacks the scope `{scope}`."


def test_a_token_with_the_scope_is_good(db: None) -> None:
    admin = with_token("admin", "admin", "read")
    assert admin.make("/archive_policy", POLICY)["name"] == "p"
    assert len(admin.fetch("/archive_policy")) == 1
    assert admin.fetch("/status")["storage"] == NOTHING_WAITS


def test_a_bad_token_is_told_with_its_challenge(db: None) -> None:
    client = MetricClient()
    client.sent["X-Auth-Token"] = "tlm_" + "x" * 49
    refused = client.ask("GET", "/archive_policy")
    assert "unknown, expired or revoked" in error_of(refused, 401)
    assert refused["WWW-Authenticate"].startswith("Bearer")
