"""Who the OpenStack doors take callers for, without a Keystone: own tokens, sessions, the clients'
basic and noauth modes. With Keystone: tests/integration/keystone.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser

from telemetry_site.auth import tokens
from telemetry_site.auth.models import ApiToken, Membership
from tests.api.people import P1, P2, PASSWORD, Client, error_of, make_people, token_of
from tests.support.who import URLS

pytestmark = [pytest.mark.django_db, pytest.mark.urls(URLS)]
ALL = sorted(["read", "ingest", "alarms", "admin"])
HOSTILE = ["\x00", "a\x00b", "a\r\nX-Roles: admin", "a" * 10_240, "é", "\x7f", " ", "\t", "a b"]


@pytest.fixture
def people(db: None) -> dict[str, User]:
    return make_people()


def who(**headers: str) -> Any:
    """Who is taken for the sender of these headers."""
    answer = Client().get("/who", headers=named(headers))
    assert answer.status_code == 200, answer.content
    return answer.json()


def refused(status: int, **headers: str) -> Any:
    answer = Client().get("/who", headers=named(headers))
    assert "Retry-After" not in answer
    return error_of(answer, status)


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}


def basic(text: str, scheme: str = "basic") -> str:
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


ANONYMOUS = {"anonymous": True}


# --- tokens of ours ------------------------------------------------------------------------
@pytest.fixture(params=["x_auth_token", "authorization"])
def bring(request: pytest.FixtureRequest) -> Callable[[str], dict[str, str]]:
    """The two headers that a token of ours may come in."""
    name = request.param
    return lambda text: {name: text if name == "x_auth_token" else f"Bearer {text}"}


def test_a_members_token_acts_for_its_only_project(people: Any, bring: Any) -> None:
    user = people["member"]
    assert who(**bring(token_of(user))) == {
        "user_id": str(user.pk), "project_id": P1, "domain_id": "", "roles": ["member"],
        "creator": f"{user.pk}:{P1}", "tenant_filtered": True, "scopes": ALL,
    }  # fmt: skip


def test_a_token_of_several_projects_acts_for_the_one_it_is_bound_to(people: Any) -> None:
    both = people["both"]
    assert who(x_auth_token=token_of(both, project=P2))["project_id"] == P2
    assert who(x_auth_token=token_of(both))["project_id"] == ""
    assert who(x_auth_token=token_of(both))["roles"] == []


def test_only_a_superusers_free_token_is_an_administrators(people: Any) -> None:
    assert who(x_auth_token=token_of(people["admin"]))["roles"] == ["admin"]
    bound = who(x_auth_token=token_of(people["admin"], project=P1))
    assert (bound["roles"], bound["project_id"]) == (["member"], P1)


def test_an_administrator_of_a_project_is_none_of_the_cloud(people: Any) -> None:
    Membership.objects.filter(user=people["member"]).update(role="admin")
    assert who(x_auth_token=token_of(people["member"]))["roles"] == ["member"]


def test_a_token_is_good_for_its_scopes(people: Any) -> None:
    assert who(x_auth_token=token_of(people["member"], ["read"]))["scopes"] == ["read"]
    assert who(x_auth_token=token_of(people["admin"], ["ingest"]))["scopes"] == ["ingest"]


def test_a_readers_token_only_reads_whatever_it_says(people: Any) -> None:
    """It may have been made when its owner was more than a reader."""
    assert who(x_auth_token=token_of(people["reader"]))["scopes"] == ["read"]


def test_whose_membership_ended_acts_for_nothing(people: Any) -> None:
    text = token_of(people["member"], project=P1)
    Membership.objects.all().delete()
    assert who(x_auth_token=text)["project_id"] == ""


@pytest.mark.parametrize("how", ["revoked", "expired", "inactive", "garbage", "wrong checksum"])
def test_a_bad_token_is_refused_without_saying_why(people: Any, bring: Any, how: str) -> None:
    user = people["member"]
    text = token_of(user)
    match how:
        case "revoked":
            tokens.revoke_text(text)
        case "expired":
            ApiToken.objects.update(expires_at="2020-01-01T00:00:00Z")
        case "inactive":
            User.objects.filter(pk=user.pk).update(is_active=False)
        case "garbage":
            text = "tlm_"
        case _:
            text = text[:-1] + ("A" if text[-1] != "A" else "B")
    said = refused(401, **bring(text))["detail"]
    assert said == "The token is unknown, expired or revoked."


def test_a_project_whose_id_has_a_colon_is_told_so(people: Any) -> None:
    Membership.objects.filter(user=people["member"]).update(project_id="a:b")
    assert "a:b" in refused(403, x_auth_token=token_of(people["member"]))["detail"]


def test_a_token_in_the_url_is_revoked(people: Any) -> None:
    text = token_of(people["member"])
    error_of(Client().get(f"/who?token={text}"), 400)
    refused(401, x_auth_token=text)


def test_x_auth_token_counts_before_authorization(people: Any) -> None:
    found = who(
        x_auth_token=token_of(people["member"]),
        authorization=f"Bearer {token_of(people['stranger'])}",
    )
    assert found["project_id"] == P1


# --- nothing is believed unless it is switched on ------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        {"x_auth_token": "gAAAAABsomething"},
        {"authorization": basic("admin:")},
        {"x_user_id": "u", "x_project_id": "p", "x_roles": "admin"},
        {
            "x_identity_status": "Confirmed",
            "x_is_admin_project": "True",
            "x_service_roles": "admin",
        },
    ],
)
def test_without_settings_only_our_own_tokens_count(headers: dict[str, str]) -> None:
    assert who(**headers) == ANONYMOUS


def test_a_bearer_token_that_is_none_of_ours_is_refused() -> None:
    refused(401, authorization="Bearer gAAAAABsomething")


def test_identity_headers_change_nothing_beside_a_token(people: Any, settings: Any) -> None:
    settings.TELEMETRY_NOAUTH = settings.TELEMETRY_BASIC_AUTH = True
    forged = {
        "x_user_id": "root", "x_project_id": P2, "x_roles": "admin", "x_domain_id": "d",
        "x_tenant_id": P2, "x_is_admin_project": "True", "x_service_token": "t",
        "x_service_roles": "admin", "authorization": basic("admin:"),
    }  # fmt: skip
    text = token_of(people["member"])
    assert who(x_auth_token=text, **forged) == who(x_auth_token=text)


# --- basic ---------------------------------------------------------------------------------
@pytest.fixture
def basic_mode(settings: Any) -> None:
    settings.TELEMETRY_BASIC_AUTH = True


@pytest.mark.parametrize("scheme", ["basic", "Basic", "BASIC", "bAsIc"])
def test_a_name_is_believed(basic_mode: None, scheme: str) -> None:
    assert who(authorization=basic("joe:", scheme)) == {
        "user_id": "joe", "project_id": "", "domain_id": "", "roles": [], "creator": "joe",
        "tenant_filtered": False, "scopes": ALL,
    }  # fmt: skip


def test_the_password_is_not_looked_at_and_admin_is_one(basic_mode: None) -> None:
    assert who(authorization=basic("admin:whatever:it:is"))["roles"] == ["admin"]
    assert who(authorization=basic("jürgen:"))["creator"] == "jürgen"


@pytest.mark.parametrize(
    "header",
    [
        "", "basic", "basic ", "Basic  ", basic(""), basic("joe"), basic(":"), basic(":secret"),
        "basic Zm9v!", "basic Zm9vOg", "basic é", "basic /////w==", "digest " + basic("joe:")[6:],
        "basicZm9vOg==", "basic\x00", "basic " + "A" * 10_240, "basic ,", "basic Zm9vOg== Zm9vOg==",
        basic("a\0b:"), basic("a\nb:"), basic("\u2028:"), basic("\u200b:"), basic("x" * 256 + ":"),
    ],
)  # fmt: skip
def test_what_is_no_name_is_anonymous(basic_mode: None, header: str) -> None:
    assert who(authorization=header) == ANONYMOUS


# --- noauth --------------------------------------------------------------------------------
@pytest.fixture
def noauth(settings: Any) -> None:
    settings.TELEMETRY_NOAUTH = True


def test_the_headers_are_believed(noauth: None) -> None:
    assert who(
        x_user_id="u1", x_project_id="p1", x_domain_id="d", x_roles="Member, ADMIN,,admin"
    ) == {
        "user_id": "u1", "project_id": "p1", "domain_id": "d", "roles": ["admin", "member"],
        "creator": "u1:p1", "tenant_filtered": True, "scopes": ALL,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "creator"),
    [
        ({"x_user_id": "u1"}, "u1:"),
        ({"x_project_id": "p1"}, ":p1"),
        ({"x_roles": "admin"}, ":"),
        ({"x_user_id": "", "x_project_id": "", "x_roles": ""}, ":"),
    ],
)
def test_any_of_them_may_be_missing(noauth: None, headers: dict[str, str], creator: str) -> None:
    assert who(**headers)["creator"] == creator


def test_a_domain_alone_is_nobody(noauth: None) -> None:
    assert who(x_domain_id="d") == ANONYMOUS
    assert who() == ANONYMOUS


@pytest.mark.parametrize("name", ["x_user_id", "x_project_id", "x_domain_id"])
@pytest.mark.parametrize("text", [*HOSTILE, "a,b", "a:b", "a,a"])
def test_an_id_that_is_none_or_came_twice_is_refused(noauth: None, name: str, text: str) -> None:
    others = {"x_user_id": "u", "x_project_id": "p"}
    refused(400, **(others | {name: text}))


@pytest.mark.parametrize("text", ["a\x00b", "a\r\nb", "é", "a" * 10_240, "\x7f"])
def test_roles_that_are_none_are_refused(noauth: None, text: str) -> None:
    refused(400, x_user_id="u", x_roles=text)


# --- from where ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "believed"),
    [
        ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("::ffff:127.0.0.1", True),
        ("", True), ("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("fe80::1%eth0", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "headers", [{"authorization": basic("admin:")}, {"x-user-id": "u", "x-roles": "admin"}]
)
def test_only_peers_on_this_machine_are_believed(
    basic_mode: None, noauth: None, headers: dict[str, str], address: str, believed: bool
) -> None:
    sent = headers | {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    answer = Client().get("/who", headers=sent, REMOTE_ADDR=address)
    assert answer.status_code == (200 if believed else 401)
    if believed:
        assert answer.json()["roles"] == ["admin"]


def test_the_operator_may_name_other_networks(settings: Any, basic_mode: None) -> None:
    settings.TELEMETRY_NOAUTH_NETWORKS = [ip_network("10.0.0.0/8")]
    headers = {"authorization": basic("joe:")}
    assert Client().get("/who", headers=headers, REMOTE_ADDR="10.9.9.9").status_code == 200
    assert Client().get("/who", headers=headers, REMOTE_ADDR="127.0.0.1").status_code == 401


# --- sessions ------------------------------------------------------------------------------
def browser(name: str) -> Browser:
    client = Browser(enforce_csrf_checks=True)
    assert client.login(username=name, password=PASSWORD)
    return client


def test_a_session_reads(people: Any) -> None:
    assert browser("member").get("/who").json()["project_id"] == P1
    assert browser("admin").get("/who").json()["roles"] == ["admin"]
    assert browser("reader").get("/who").json()["scopes"] == ["read"]


def test_a_session_writes_with_its_csrf_token_only(people: Any) -> None:
    client = browser("member")
    assert client.post("/who", {}, "application/json").status_code == 403
    client.get("/")  # its form to sign out brings the cookie
    sent = {"X-CSRFToken": client.cookies["telemetry_csrf"].value}
    assert client.post("/who", {}, "application/json", headers=sent).status_code == 200


def test_a_session_does_not_stand_in_for_a_bad_token(people: Any) -> None:
    answer = browser("member").get("/who", headers={"X-Auth-Token": "tlm_"})
    assert answer.status_code == 401
