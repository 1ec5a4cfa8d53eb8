"""The metric API's door: versions, paths, forms of errors, other sites' pages, proxies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, override_settings

from meters.metric_api.views import root

ROOT = "http://testserver/metric"
JSON = {"Accept": "application/json"}


@pytest.mark.parametrize("path", ["/metric", "/metric/", "/metric//"])
def test_the_root_names_the_version(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.json() == {
        "build": "4.7.1",
        "versions": [
            {
                "status": "CURRENT",
                "links": [{"rel": "self", "href": f"{ROOT}/v1/"}],
                "id": "v1.0",
                "updated": "2015-03-19",
            }
        ],
    }
    assert answer["Content-Type"] == "application/json"


def test_the_version_lists_its_collections(client: Client) -> None:
    body = client.get("/metric/v1/").json()
    assert body["version"] == "1.0"
    assert len(body["links"]) == 13
    assert body["links"][0] == {"rel": "self", "href": f"{ROOT}/v1"}
    assert body["links"][9] == {"rel": "resource", "href": f"{ROOT}/v1/resource"}


def test_the_version_without_its_slash_is_elsewhere(client: Client) -> None:
    answer = client.get("/metric/v1")
    assert answer.status_code == 302
    assert answer["Location"] == f"{ROOT}/v1/"
    assert answer.json() == {"code": 302, "title": "Found", "description": None}


def test_health_is_an_empty_text(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root.readiness, "reason", lambda: "")
    answer = client.get("/metric/healthcheck", headers=JSON)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["Content-Type"].startswith("text/plain")


def test_health_says_why_not(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root.readiness, "reason", lambda: "draining")
    answer = client.get("/metric/healthcheck", headers=JSON)
    assert (answer.status_code, answer.json()["description"]) == (503, "draining")
    assert "Retry-After" not in answer


@pytest.mark.parametrize("path", ["/metric/v1/capabilities", "/metric//v1//capabilities/"])
def test_capabilities_are_all_methods(client: Client, path: str) -> None:
    names = client.get(path).json()["aggregation_methods"]
    assert len(set(names)) == 216
    assert {"mean", "median", "1pct", "99pct", "rate:last", "rate:50pct"} <= set(names)


# --- errors ------------------------------------------------------------------------------------


def test_an_unknown_path_is_told_in_json_to_who_asks_for_it(client: Client) -> None:
    for method in ("get", "post", "put", "patch", "delete", "options"):
        answer = getattr(client, method)("/metric/v1/nothing", headers=JSON)
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/json"
        assert answer.json() == {"code": 404, "title": "Not Found", "description": None}


def test_an_unknown_path_is_told_in_text_to_who_asks_for_nothing(client: Client) -> None:
    answer = client.get("/metric/v1/nothing")
    assert answer["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.content.decode() == "404 Not Found\n\nThe resource could not be found.\n\n   "


@pytest.mark.parametrize("accept", ["*/*", "text/html", "text/html,*/*;q=0.1"])
def test_an_unknown_path_is_a_page_for_browsers(client: Client, accept: str) -> None:
    answer = client.get("/metric/v1/nothing", headers={"Accept": accept})
    assert answer["Content-Type"].startswith("text/html")
    assert "<h1>404 Not Found</h1>" in answer.content.decode()


@pytest.mark.parametrize("accept", ["text/plain", "text/html", "application/json;q=0", "image/*"])
def test_an_answer_that_is_not_acceptable_is_not_given(client: Client, accept: str) -> None:
    answer = client.get("/metric/v1/capabilities", headers={"Accept": accept})
    assert answer.status_code == 406
    assert b"406 Not Acceptable" in answer.content


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/*", "text/plain, application/json; q=0.8", "APPLICATION/JSON"],
)
def test_an_answer_that_is_acceptable_is_given(client: Client, accept: str) -> None:
    answer = client.get("/metric/v1/capabilities", headers={"Accept": accept})
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_another_method_is_refused_with_those_there_are(client: Client, method: str) -> None:
    answer = getattr(client, method)("/metric/v1/capabilities", headers=JSON)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
    assert answer.json() == {"code": 405, "title": "Method Not Allowed", "description": ""}
    text = getattr(client, method)("/metric/v1/capabilities").content.decode()
    assert f"The method {method.upper()} is not allowed for this resource." in text


def test_a_host_that_is_not_ours_is_refused_in_the_doors_form(client: Client) -> None:
    answer = client.get("/metric/v1/", headers={**JSON, "Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.json() == {"code": 400, "title": "Bad Request", "description": ""}


def test_a_bug_tells_nothing_of_itself(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(root, "every_method", break_down)
    client.raise_request_exception = False
    answer = client.get("/metric/v1/capabilities", headers=JSON)
    assert answer.status_code == 500
    assert answer.json() == {"code": 500, "title": "Internal Server Error", "description": ""}
    assert "Retry-After" not in answer


def test_answers_name_the_request_and_are_cached_for_nobody(client: Client) -> None:
    for path in ("/metric/", "/metric/v1/nothing"):
        answer = client.get(path)
        assert answer["X-Openstack-Request-Id"].startswith("req-")
        assert answer["Cache-Control"] == "no-store"
        assert {"Accept", "Authorization", "X-Auth-Token"} <= set(answer["Vary"].split(", "))


def test_head_is_answered_like_get(client: Client) -> None:
    answer = client.head("/metric/v1/capabilities")
    assert (answer.status_code, answer.content) == (200, b"")


# --- pages of other sites ----------------------------------------------------------------------

OURS, THEIRS = "http://foobar.com", "http://notallowed.com"


def ask_first(client: Client, origin: str, method: str = "GET", names: str = "") -> Any:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    if names:
        headers["Access-Control-Request-Headers"] = names
    return client.options("/metric/v1/status", headers=headers)


@override_settings(TELEMETRY_CORS_ORIGINS=[OURS])
def test_a_page_of_an_allowed_site_may_ask(client: Client) -> None:
    answer = ask_first(client, OURS, "PATCH", "x-auth-token, Content-Type")
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == OURS
    assert answer["Access-Control-Allow-Methods"] == "PATCH"
    assert answer["Access-Control-Allow-Headers"] == "x-auth-token, Content-Type"
    assert "Origin" in answer["Vary"]
    for path in ("/metric/v1/", "/metric/v1/nothing"):
        answer = client.get(path, headers={"Origin": OURS})
        assert answer["Access-Control-Allow-Origin"] == OURS
        assert "Link" in answer["Access-Control-Expose-Headers"]


@override_settings(TELEMETRY_CORS_ORIGINS=[OURS])
def test_a_page_of_another_site_may_not(client: Client) -> None:
    refused = ask_first(client, THEIRS)
    assert refused.status_code == 200
    for answer in (refused, client.get("/metric/v1/", headers={"Origin": THEIRS})):
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


@override_settings(TELEMETRY_CORS_ORIGINS=[OURS])
@pytest.mark.parametrize(("method", "names"), [("TRACE", ""), ("GET", "X-Evil")])
def test_a_page_may_not_send_what_is_no_clients(client: Client, method: str, names: str) -> None:
    answer = ask_first(client, OURS, method, names)
    assert "Access-Control-Allow-Methods" not in answer


def test_a_post_from_another_site_is_judged_by_its_credentials_only(client: Client) -> None:
    headers = {**JSON, "Sec-Fetch-Site": "cross-site"}
    assert client.post("/metric/v1/capabilities", headers=headers).status_code == 405


# --- proxies -----------------------------------------------------------------------------------


def href(client: Client, **headers: str) -> str:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    found: str = json.loads(client.get("/metric/", headers=names).content)["versions"][0]["links"][
        0
    ]["href"]
    return found


def test_a_proxys_headers_are_not_believed_unasked(client: Client) -> None:
    assert href(client, Forwarded="host=evil", X_Forwarded_Host="evil") == f"{ROOT}/v1/"


@override_settings(TELEMETRY_PROXY_HEADERS=True)
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Forwarded": "for=192.0.2.60;proto=http;host=foobar"}, "http://foobar/metric/v1/"),
        ({"Forwarded": 'Proto=https;Host="a.b:81", host=c'}, "https://a.b:81/metric/v1/"),
        ({"Forwarded": "for=x", "X_Forwarded_Host": "old"}, f"{ROOT}/v1/"),
        (
            {"X_Forwarded_Host": "old, older", "X_Forwarded_Proto": "https"},
            "https://old/metric/v1/",
        ),
        ({"X_Forwarded_Prefix": "/outer/"}, "http://testserver/outer/metric/v1/"),
        ({"Forwarded": "host=a/b;proto=gopher"}, f"{ROOT}/v1/"),
        ({"Forwarded": "host=[::1]:8041"}, "http://[::1]:8041/metric/v1/"),
    ],
)
def test_a_trusted_proxy_says_how_addresses_begin(
    client: Client, headers: dict[str, str], expected: str
) -> None:
    assert href(client, **headers) == expected
