"""Callers with tokens of a real Keystone: who they are taken for, and how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from telemetry_site.auth import keystone as client
from tests.api.people import Client
from tests.integration.keystone.asking import ask, refused, revoke, who
from tests.keystone import SERVICE_PASSWORD, KeystoneServer, access
from tests.support.who import URLS

pytestmark = [pytest.mark.keystone, pytest.mark.urls(URLS)]


# --- who -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("member", ["member", "reader"]),
        ("reader", ["reader"]),
        ("manager", ["manager", "member", "reader"]),
    ],
)
def test_a_user_acts_for_the_project_of_his_token(
    door: KeystoneServer, name: str, roles: list[str]
) -> None:
    user, project = door.find("users", name), door.find("projects", "p1")
    assert who(door.token(name, project_name="p1")) == {
        "user_id": user, "project_id": project, "domain_id": "", "roles": roles,
        "creator": f"{user}:{project}", "tenant_filtered": True,
        "scopes": ["admin", "alarms", "ingest", "read"],
    }  # fmt: skip


def test_admin_and_service_are_known_by_their_roles(door: KeystoneServer) -> None:
    assert "admin" in who(door.admin.get_token() or "")["roles"]
    service = who(door.token("telemetry", SERVICE_PASSWORD, project_name="service"))
    assert service["roles"] == ["service"]
    assert service["project_id"] == door.find("projects", "service")


@pytest.mark.parametrize(
    ("scope", "domain"),
    [({"domain_name": "Default"}, "default"), ({"system_scope": "all"}, ""), ({}, "")],
    ids=["domain", "system", "unscoped"],
)
def test_a_token_without_a_project_has_no_role_here(
    door: KeystoneServer, scope: dict[str, str], domain: str
) -> None:
    """`admin` of a domain is not the cloud's (S36)."""
    found = who(door.token("everywhere", **scope))
    assert (found["project_id"], found["roles"], found["domain_id"]) == ("", [], domain)


def test_headers_of_identity_change_nothing(door: KeystoneServer) -> None:
    token = door.token("member", project_name="p1")
    forged = {
        "X-User-Id": "root", "X-Project-Id": "p2", "X-Roles": "admin", "X-Domain-Id": "d",
        "X-Is-Admin-Project": "True", "X-Service-Token": door.admin.get_token() or "",
        "X-Identity-Status": "Confirmed", "Authorization": "basic YWRtaW46",
    }  # fmt: skip
    answer = Client().get("/who", headers=forged | {"X-Auth-Token": token})
    assert answer.json() == who(token)
    assert Client().get("/who", headers=forged).json() == {"anonymous": True}


# --- application credentials ---------------------------------------------------------------
def application_token(server: KeystoneServer, name: str, **options: Any) -> str:
    """A token by an application credential that the member made for himself."""
    member = server.session("member", project_name="p1")
    url = f"{server.url}/users/{member.get_user_id()}/application_credentials"
    body = {"application_credential": {"name": name, **options}}
    made = member.post(url, json=body).json()["application_credential"]
    identity = {
        "methods": ["application_credential"],
        "application_credential": {"id": made["id"], "secret": made["secret"]},
    }
    answer = requests.post(
        f"{server.url}/auth/tokens", json={"auth": {"identity": identity}}, timeout=30
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"]


def test_an_application_credential_acts_for_its_user(door: KeystoneServer) -> None:
    found = who(application_token(door, "plain"))
    assert found["user_id"] == door.find("users", "member")
    assert found["project_id"] == door.find("projects", "p1")


def test_one_with_access_rules_is_refused(door: KeystoneServer) -> None:
    """We don't check the rules, so we must not take such a token for more than it is."""
    rules = [{"service": "metric", "method": "GET", "path": "/v1/metric"}]
    refused(application_token(door, "limited", access_rules=rules), 401)


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_token_is_no_good_once_it_expired_though_it_is_remembered(door: KeystoneServer) -> None:
    end = time.monotonic() + 4
    token = application_token(door, "brief", expires_at=in_seconds(4))
    assert who(token)["project_id"]
    before = door.asked()
    time.sleep(max(0, end + 0.1 - time.monotonic()))
    refused(token, 401)
    assert door.asked() == before
    client._token_cache.cache_clear()
    refused(token, 401)  # Keystone says the same
    assert door.asked() == before + 1


# --- no good -------------------------------------------------------------------------------
def test_what_is_no_token_of_keystones_is_refused(door: KeystoneServer) -> None:
    for text in ("gAAAAABnope", "notused", "x" * 300, '"', "%00"):
        said = refused(text, 401)
        assert said == "The token is unknown, expired or revoked."


@pytest.mark.parametrize("text", ["a\0b", "a\r\nX: y", "x" * 10_240, "é", "a b", "\x7f", "a\tb"])
def test_what_can_be_no_token_is_not_even_asked_for(door: KeystoneServer, text: str) -> None:
    before = door.asked()
    refused(text, 401)
    assert door.asked() == before


def test_a_challenge_names_keystone(door: KeystoneServer) -> None:
    assert ask("nope")["WWW-Authenticate"] == f'Keystone uri="{door.url}"'


def test_a_bad_token_is_not_asked_for_twice_at_once(door: KeystoneServer) -> None:
    before = door.asked()
    for _ in range(5):
        refused("gAAAAABunknown", 401)
    assert door.asked() == before + 1


def test_a_revoked_token_is_good_until_it_is_forgotten(
    keystone: KeystoneServer, use: Callable[..., None]
) -> None:
    use(access(keystone, cache_s=2))
    token = keystone.token("member", project_name="p1")
    begun = time.monotonic()
    assert who(token)
    revoke(keystone, token)
    assert ask(token).status_code == (200 if time.monotonic() - begun < 2 else 401)
    time.sleep(2)
    refused(token, 401)


def test_without_a_cache_it_is_refused_at_once(
    keystone: KeystoneServer, use: Callable[..., None]
) -> None:
    use(access(keystone, cache_s=0))
    token = keystone.token("member", project_name="p1")
    assert who(token)
    revoke(keystone, token)
    refused(token, 401)


@pytest.mark.parametrize("kind", ["users", "projects"])
def test_who_is_switched_off_in_keystone_is_refused(
    keystone: KeystoneServer, use: Callable[..., None], kind: str
) -> None:
    use(access(keystone, cache_s=0))
    keystone.make_user(f"off-{kind}")
    project = keystone.make_project(f"off-{kind}")
    keystone.grant("member", f"off-{kind}", f"projects/{project}")
    token = keystone.token(f"off-{kind}", project_name=f"off-{kind}")
    assert who(token)
    what = f"{kind}/{keystone.find(kind, f'off-{kind}')}"
    keystone.call("PATCH", what, {kind[:-1]: {"enabled": False}})
    refused(token, 401)


# --- how often it is asked -----------------------------------------------------------------
def test_a_token_is_asked_for_once_however_many_bring_it(door: KeystoneServer) -> None:
    token = door.token("member", project_name="p1")
    before, logins = door.asked(), door.logins()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(who, [token] * 24))
    assert len({one["user_id"] for one in found}) == 1
    assert door.asked() == before + 1
    assert door.logins() == logins + 1  # the service user's


def test_a_lost_service_token_is_made_anew(door: KeystoneServer) -> None:
    who(door.token("member", project_name="p1"))
    cache = client.token_cache(access(door))
    ours = cache._ask.__self__._session.get_token()  # type: ignore[attr-defined]
    revoke(door, ours)
    other, logins = door.token("reader", project_name="p1"), door.logins()
    assert who(other)["roles"] == ["reader"]
    assert door.logins() == logins + 1


def test_settings_differ_so_each_has_its_own_cache(door: KeystoneServer) -> None:
    one = client.token_cache(access(door))
    assert client.token_cache(access(door)) is one
    assert client.token_cache(replace(access(door), cache_s=1)) is not one
