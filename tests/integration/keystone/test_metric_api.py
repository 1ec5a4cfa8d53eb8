"""The metric API for people of a real Keystone: what their roles let them do, what others see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.metric.people import MetricClient, error_of
from tests.integration.keystone.asking import NO_PROJECT, away, revoke
from tests.keystone import KeystoneServer, access

pytestmark = [pytest.mark.keystone, pytest.mark.usefixtures("undone_store")]
VM = "4a3b6d1e-0f57-4ad4-9ba4-2a4c3d8a2f11"
MEASURES = [{"timestamp": "2026-01-01T00:00:00", "value": 7.0}]
POLICY = {"name": "low", "definition": [{"granularity": "1 minute", "points": 60}]}


class Caller(MetricClient):
    """Brings a token of Keystone's."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.sent["X-Auth-Token"] = token


@pytest.fixture
def callers(door: KeystoneServer, tokens: dict[str, str]) -> dict[str, Caller]:
    return {name: Caller(token) for name, token in tokens.items()}


@pytest.fixture
def measured(callers: dict[str, Caller], door: KeystoneServer) -> dict[str, Any]:
    """A resource of p1 with a metric that the service made and measured."""
    service = callers["service"]
    service.make("/archive_policy", POLICY)
    made = service.make(
        "/resource/generic",
        {
            "id": VM,
            "project_id": door.find("projects", "p1"),
            "metrics": {"cpu": {"archive_policy_name": "low"}},
        },
    )
    assert service.ask("POST", path_of(made, "measures"), MEASURES).status_code == 202
    return made


def path_of(resource: dict[str, Any], what: str = "") -> str:
    return f"/metric/{resource['metrics']['cpu']}" + (f"/{what}" if what else "")


def statuses(caller: Caller, resource: dict[str, Any]) -> dict[str, int]:
    """What a caller gets for what the service made, the harmless questions first."""
    vm, cpu = f"/resource/generic/{VM}", resource["metrics"]["cpu"]
    by_id = {"operations": f"(metric {cpu} mean)"}
    by_name = {
        "operations": "(metric cpu mean)", "resource_type": "generic", "search": f"id = '{VM}'",
    }  # fmt: skip
    asked: dict[str, tuple[str, str, Any]] = {
        "resource": ("GET", vm, None),
        "history": ("GET", f"{vm}/history", None),
        "its metrics": ("GET", f"{vm}/metric", None),
        "metric": ("GET", path_of(resource), None),
        "measures": ("GET", path_of(resource, "measures"), None),
        "by id": ("POST", "/aggregates", by_id),
        "by name": ("POST", "/aggregates", by_name),
        "post": ("POST", path_of(resource, "measures"), MEASURES),
        "patch": ("PATCH", vm, {"ended_at": "2030-01-01T00:00:00"}),
        "delete metric": ("DELETE", path_of(resource), None),
        "delete": ("DELETE", vm, None),
    }
    return {name: caller.ask(*question).status_code for name, question in asked.items()}


READS = ("resource", "history", "its metrics", "metric", "measures", "by id", "by name")
WRITES = ("post", "patch", "delete metric", "delete")
ALL_READ = dict.fromkeys(READS, 200)
NONE_WRITTEN = dict.fromkeys(WRITES, 403)
ALL_WRITTEN = {"post": 202, "patch": 200, "delete metric": 204, "delete": 204}
#: By whom → what (metric-api.md §3.4).
EXPECTED: dict[str, dict[str, int]] = {
    "admin": ALL_READ | ALL_WRITTEN,
    "service": ALL_READ | ALL_WRITTEN,
    "member": ALL_READ | NONE_WRITTEN,
    "reader": ALL_READ | NONE_WRITTEN,
    "stranger": {
        "resource": 404, "history": 404, "its metrics": 404, "metric": 403, "measures": 403,
        "by id": 403, "by name": 404, **NONE_WRITTEN,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_what_the_service_measured_is_read_by_its_owner_and_hidden_from_others(
    callers: dict[str, Caller], measured: dict[str, Any], name: str
) -> None:
    assert statuses(callers[name], measured) == EXPECTED[name]


@pytest.mark.parametrize("name", NO_PROJECT)
def test_who_acts_for_no_project_may_nothing_here(
    callers: dict[str, Caller], measured: dict[str, Any], name: str
) -> None:
    found = statuses(callers[name], measured)
    assert found == dict.fromkeys(found, 403)
    missing = f"/resource/generic/{VM.replace('4', '5')}"
    for path in (missing, "/resource", "/resource/generic", "/metric", "/archive_policy"):
        assert callers[name].ask("GET", path).status_code == 403
    assert callers[name].ask("GET", "/capabilities").status_code == 200


def test_lists_show_a_project_its_own(callers: dict[str, Caller], measured: dict[str, Any]) -> None:
    cpu = measured["metrics"]["cpu"]
    for name in ("admin", "member", "reader", "service"):
        assert [one["id"] for one in callers[name].fetch("/resource/generic")] == [VM]
        assert [one["id"] for one in callers[name].fetch("/metric")] == [cpu]
    for path in ("/resource/generic", "/metric"):
        assert callers["stranger"].fetch(path) == []
    found = callers["stranger"].ask("POST", "/search/resource/generic", {"=": {"id": VM}})
    assert (found.status_code, found.json()) == (200, [])
    assert callers["member"].fetch(path_of(measured, "measures")) == [
        ["2026-01-01T00:00:00+00:00", 60.0, 7.0]
    ]


def test_what_a_member_makes_is_his_projects(
    callers: dict[str, Caller], door: KeystoneServer
) -> None:
    """Each role of a project counts there, and none of it elsewhere."""
    made = callers["member"].make("/resource/generic", {"id": VM})
    assert made["created_by_user_id"] == door.find("users", "member")
    assert made["created_by_project_id"] == door.find("projects", "p1")
    vm = f"/resource/generic/{VM}"
    said = error_of(callers["stranger"].ask("GET", vm), 404)
    assert said == f"Resource {VM} does not exist"
    assert callers["service"].ask("GET", vm).status_code == 404
    assert callers["service"].ask("DELETE", vm).status_code == 403
    assert callers["stranger"].ask("DELETE", vm).status_code == 403
    assert callers["reader"].ask("DELETE", vm).status_code == 204


TYPE = {"name": "host", "attributes": {}}
RULE = {"name": "all", "metric_pattern": "*", "archive_policy_name": "low"}


def test_the_cloud_is_governed_by_admin_and_in_part_by_service(callers: dict[str, Caller]) -> None:
    def gets(name: str, method: str, path: str, body: Any = None) -> int:
        return int(callers[name].ask(method, path, body).status_code)

    def all_but(allowed: set[str], *question: Any) -> None:
        for name in callers.keys() - allowed:
            assert gets(name, *question) == 403, (name, question)

    cloud = {"admin", "service"}
    all_but(cloud, "POST", "/archive_policy", POLICY)
    assert gets("service", "POST", "/archive_policy", POLICY) == 201
    all_but(cloud, "POST", "/resource_type", TYPE)
    assert gets("service", "POST", "/resource_type", TYPE) == 201
    for question in (
        ("GET", "/status", None, 200),
        ("POST", "/archive_policy_rule", RULE, 201),
        ("DELETE", "/archive_policy_rule/all", None, 204),
        ("DELETE", "/resource_type/host", None, 204),
        ("DELETE", "/archive_policy/low", None, 204),
    ):
        *asked, expected = question
        all_but({"admin"}, *asked)
        assert gets("admin", *asked) == expected
    for name in ("member", "stranger"):
        assert gets(name, "GET", "/archive_policy") == 200


# --- no good -------------------------------------------------------------------------------
def test_without_a_good_token_nobody_is_let_in(door: KeystoneServer) -> None:
    forged = {"X_User_Id": "u", "X_Project_Id": "p1", "X_Roles": "admin"}
    believed = MetricClient("admin")
    for client, headers in ((MetricClient(), {}), (MetricClient(), forged), (believed, {})):
        for path in ("/resource/generic", "/metric", "/status"):
            answer = client.ask("GET", path, **headers)
            error_of(answer, 401)
            assert answer["WWW-Authenticate"] == f'Keystone uri="{door.url}"'


def test_a_wrong_or_revoked_token_is_told_in_the_doors_form(
    keystone: KeystoneServer, use: Callable[..., None]
) -> None:
    use(access(keystone, cache_s=0))
    token = keystone.token("member", project_name="p1")
    assert Caller(token).fetch("/resource/generic") == []
    revoke(keystone, token)
    for text in (token, "gAAAAABwrong"):
        said = error_of(Caller(text).ask("GET", "/resource/generic"), 401)
        assert said == "The token is unknown, expired or revoked."


def test_while_keystone_is_away_nothing_is_stored_for_who_is_not_known(
    callers: dict[str, Caller], measured: dict[str, Any], keystone: KeystoneServer
) -> None:
    """gnocchiclient would die of a Retry-After, which `error_of` looks for."""
    with away(keystone):
        answer = callers["admin"].ask("POST", path_of(measured, "measures"), MEASURES)
        assert "Keystone gives no answer." in error_of(answer, 503)
        error_of(callers["member"].ask("GET", "/metric"), 503)
        service = callers["service"].ask("GET", path_of(measured))
        assert service.status_code == 200, "the service's token is remembered"
