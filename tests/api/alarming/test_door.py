"""The alarming API's door: roots, paths, methods, forms of errors, who comes in (alarms.md 1.1)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.test import Client

from alarms.evaluator import lateness
from alarms.models import EvaluationCount
from meters.wsme import open as root
from tests.api.alarming.people import AlarmingClient, body, fault_of
from tests.api.people import make_people, token_of


@pytest.mark.parametrize("path", ["/alarming", "/alarming/", "/alarming//"])
def test_the_root_names_the_version(client: Client, path: str) -> None:
    values = client.get(path).json()["versions"]["values"]
    assert [(one["id"], one["status"], one["updated"]) for one in values] == [
        ("v2", "stable", "2013-02-13T00:00:00Z")
    ]
    assert values[0]["links"] == [
        {"href": "http://testserver/alarming/v2", "rel": "self"},
        {"href": "https://docs.openstack.org/", "rel": "describedby", "type": "text/html"},
    ]
    assert values[0]["media-types"] == [
        {
            "base": "application/json",
            "type": "application/vnd.openstack.telemetry-v2+json",
        },
        {"base": "application/xml", "type": "application/vnd.openstack.telemetry-v2+xml"},
    ]


def test_the_root_is_where_it_is_mounted(client: Client, settings: Any) -> None:
    settings.TELEMETRY_PROXY_HEADERS = True
    headers = {"X-Forwarded-Host": "cloud.example", "X-Forwarded-Proto": "https"}
    values = client.get("/alarming/", headers=headers).json()["versions"]["values"]
    assert values[0]["links"][0]["href"] == "https://cloud.example/alarming/v2"


def test_it_may_be_shown_elsewhere(member: AlarmingClient, settings: Any) -> None:
    settings.TELEMETRY_ALARMING_API_URL = "http://controller:8042"
    values = member.get("/alarming/").json()["versions"]["values"]
    assert values[0]["links"][0]["href"] == "http://controller:8042/v2"
    answer = member.ask("POST", "/alarms", body())
    place = f"http://controller:8042/v2/alarms/{answer.json()['alarm_id']}"
    assert answer["Location"] == place


@pytest.mark.parametrize("path", ["/alarming/v2", "/alarming/v2/"])
def test_the_version_alone_is_nothing(client: Client, path: str) -> None:
    fault_of(client.get(path), 404)


class TestHealth:
    @pytest.fixture(autouse=True)
    def _ready(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(root.readiness, "reason", lambda: "")
        monkeypatch.setattr(lateness, "reason", lambda: "")

    def test_it_is_an_empty_text(self, client: Client) -> None:
        answer = client.get("/alarming/healthcheck")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer["Content-Type"].startswith("text/plain")

    def test_in_json_it_has_no_reasons(self, client: Client) -> None:
        answer = client.get("/alarming/healthcheck", headers={"Accept": "application/json"})
        assert answer.json() == {"detailed": False, "reasons": []}

    def test_it_says_why_not(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(root.readiness, "reason", lambda: "draining")
        assert fault_of(client.get("/alarming/healthcheck"), 503) == "draining"


@pytest.mark.parametrize("path", ["/capabilities", "/capabilities/"])
def test_capabilities(member: AlarmingClient, path: str) -> None:
    assert member.fetch(path) == {
        "api": {
            "alarms:history:query:complex": True, "alarms:history:query:simple": True,
            "alarms:query:complex": True, "alarms:query:simple": True,
        },
        "alarm_storage": {"storage:production_ready": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/alarms/a/b", "/alarms/a/foo", "/query", "/quotas/a/b", "/alarms/a/state/x"],
)
def test_an_unknown_path_is_told_in_the_one_shape(client: Client, path: str) -> None:
    """aodh sends a text in its place, of which aodhclient dies."""
    for method in ("get", "post", "put", "patch", "delete", "options"):
        for accept in ("*/*", "application/json", "text/html", ""):
            answer = getattr(client, method)(f"/alarming/v2{path}", headers={"Accept": accept})
            assert "could not be found" in fault_of(answer, 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/alarms", "GET, POST"), ("PUT", "/alarms", "GET, POST"),
        ("POST", "/alarms/x", "GET, PUT, DELETE"), ("GET", "/query/alarms", "POST"),
        ("GET", "/quotas/P", "DELETE"), ("POST", "/capabilities", "GET"),
        ("OPTIONS", "/alarms", "GET, POST"),
    ],
)  # fmt: skip
def test_a_wrong_method_is_told_which_are_right(
    admin: AlarmingClient, method: str, path: str, allowed: str
) -> None:
    answer = admin.ask(method, path)
    fault_of(answer, 405)
    assert answer["Allow"] == allowed


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "application/xml"])
def test_errors_and_answers_are_json(member: AlarmingClient, accept: str) -> None:
    fault_of(member.ask("GET", "/alarms/nope", Accept=accept), 404)
    answer = member.ask("GET", "/alarms", Accept=accept)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer["X-Openstack-Request-Id"].startswith("req-")


def test_who_wants_a_page_gets_none(member: AlarmingClient) -> None:
    fault_of(member.ask("GET", "/alarms", Accept="text/html"), 406)


def test_head_is_get_without_the_body(member: AlarmingClient) -> None:
    answer = member.ask("HEAD", "/alarms")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_slash_at_the_end_is_none(member: AlarmingClient) -> None:
    alarm_id = member.make()["alarm_id"]
    assert member.fetch(f"/alarms/{alarm_id}/") == member.fetch(f"//alarms//{alarm_id}")
    assert len(member.fetch("/alarms/")) == 1


@pytest.mark.parametrize("path", ["/alarms?foo=1", "/metrics?x=", "/alarms/x?y=1"])
def test_an_unknown_parameter_is_refused(admin: AlarmingClient, path: str) -> None:
    name = path.partition("?")[2].partition("=")[0]
    assert fault_of(admin.ask("GET", path), 400) == f'Unknown argument: "{name}"'


def test_another_sites_page_may_ask_where_it_is_let(client: Client, settings: Any) -> None:
    settings.TELEMETRY_CORS_ORIGINS = ["http://valid.example"]
    asked = {"Origin": "http://valid.example", "Access-Control-Request-Method": "GET"}
    answer = client.options("/alarming/v2/alarms", headers=asked)
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == "http://valid.example"
    other = client.options("/alarming/v2/alarms", headers=asked | {"Origin": "http://other"})
    assert "Access-Control-Allow-Origin" not in other


def test_a_bug_is_told_without_its_text(
    member: AlarmingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("SELECT secret FROM alarms")

    monkeypatch.setattr("alarms.alarming_api.paging.page", broken)
    member.raise_request_exception = False
    text = fault_of(member.ask("GET", "/alarms"), 500)
    assert "SELECT" not in text


class TestWaysIn:
    def asked(self, **headers: str) -> Any:
        return AlarmingClient().ask("GET", "/alarms", **headers)

    def test_a_token_of_ours(self, db: None) -> None:
        people = make_people()
        member, reader = token_of(people["member"]), token_of(people["reader"])
        assert self.asked(X_Auth_Token=member).status_code == 200
        made = AlarmingClient().ask("POST", "/alarms", body(), X_Auth_Token=member)
        assert (made.status_code, made.json()["project_id"]) == (201, "p1")
        fault_of(AlarmingClient().ask("POST", "/alarms", body(), X_Auth_Token=reader), 403)

    def test_a_token_is_good_for_its_scopes(self, db: None) -> None:
        people = make_people()
        narrow = token_of(people["member"], ["read"])
        assert self.asked(X_Auth_Token=narrow).status_code == 200
        assert AlarmingClient().ask("POST", "/query/alarms", {}, X_Auth_Token=narrow).json() == []
        fault_of(AlarmingClient().ask("POST", "/alarms", body(), X_Auth_Token=narrow), 403)

    def test_a_token_as_the_password_of_basic(self, db: None) -> None:
        """So `openstack --os-auth-type http_basic` works without any Keystone."""
        people = make_people()
        text = base64.b64encode(f"me:{token_of(people['member'])}".encode()).decode()
        assert self.asked(Authorization=f"Basic {text}").status_code == 200
        wrong = base64.b64encode(b"me:tlm_wrong").decode()
        fault_of(self.asked(Authorization=f"Basic {wrong}"), 401)

    def test_a_believed_name(self, db: None, settings: Any) -> None:
        settings.TELEMETRY_BASIC_AUTH = True
        admin = base64.b64encode(b"admin:").decode()
        assert self.asked(Authorization=f"Basic {admin}").status_code == 200
        other = base64.b64encode(b"jd:").decode()
        fault_of(self.asked(Authorization=f"Basic {other}"), 403)

    def test_headers_alone_are_not_believed_unless_the_operator_says_so(
        self, member: AlarmingClient, settings: Any
    ) -> None:
        settings.TELEMETRY_NOAUTH = False
        fault_of(member.ask("GET", "/alarms"), 401)


class TestMetrics:
    def test_it_is_closed_unless_evaluations_are_counted(self, admin: AlarmingClient) -> None:
        assert fault_of(admin.ask("GET", "/metrics"), 403) == "metrics endpoint is disabled"

    def test_it_shows_the_own_projects_counts(
        self, member: AlarmingClient, stranger: AlarmingClient, admin: AlarmingClient,
        settings: Any,
    ) -> None:  # fmt: skip
        settings.TELEMETRY_EVALUATION_COUNTS = True
        made = member.make()
        EvaluationCount.objects.create(alarm_id=made["alarm_id"], ok=2, alarming=1)
        row = {
            "alarm_id": made["alarm_id"], "project_id": "p1",
            "state_counters": {"insufficient data": 0, "ok": 2, "alarm": 1},
        }  # fmt: skip
        assert member.fetch("/metrics") == {"evaluation_results": [row]}
        assert stranger.fetch("/metrics") == {"evaluation_results": []}
        assert admin.fetch("/metrics") == {"evaluation_results": []}
        assert admin.fetch("/metrics?all_projects=true") == {"evaluation_results": [row]}
        fault_of(member.ask("GET", "/metrics?all_projects=true"), 403)
        assert fault_of(admin.ask("GET", "/metrics?all_projects=zz"), 400) == (
            "Unable to convert the value zz to the expected data type boolean."
        )
        member.ask("DELETE", f"/alarms/{made['alarm_id']}")
        assert not EvaluationCount.objects.exists()
