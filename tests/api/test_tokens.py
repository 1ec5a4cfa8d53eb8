"""API tokens: what they open, who may make which, when they die."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from telemetry_site import clock
from telemetry_site.auth import tokens
from telemetry_site.auth.models import ApiToken, Membership
from tests.api.people import P1, P2, PASSWORD, Client, error_of, token_of, with_token
from tests.api.world import World

pytestmark = pytest.mark.django_db
PATH = "/api/tokens"
ClientOf = Callable[..., Client]


def make(client: Client, **fields: Any) -> Any:
    body = {"name": "ci", "scopes": ["read"], **fields}
    return client.post(PATH, body, format="json")


class TestMaking:
    def test_the_secret_is_shown_once_and_works(self, member: Client) -> None:
        made = make(member, scopes=["read", "ingest"], project_id=P1).json()
        assert with_token(made["token"]).get("/api/resources").status_code == 200
        listed = member.get(PATH)
        assert made["token"] not in listed.content.decode()
        assert made["prefix"] == made["token"][:12]
        row = ApiToken.objects.get(pk=made["id"])
        assert made["token"] not in str(row.__dict__)
        assert row.digest == tokens.digest(made["token"])

    def test_it_lives_90_days_unless_told(self, member: Client) -> None:
        make(member)
        life = ApiToken.objects.get(name="ci").expires_at - clock.now()
        assert timedelta(days=89) < life < timedelta(days=91)

    @pytest.mark.parametrize(
        ("who", "scopes", "status"),
        [
            ("reader", ["read"], 201), ("reader", ["ingest"], 403),
            ("reader", ["read", "admin"], 403),
            ("member", ["read", "ingest", "alarms", "admin"], 201), ("admin", ["admin"], 201),
        ],
    )  # fmt: skip
    def test_nobody_gives_more_than_he_has(
        self, as_: ClientOf, who: str, scopes: list[str], status: int
    ) -> None:
        assert make(as_(who), scopes=scopes).status_code == status

    def test_scopes_only_shrink(self, as_: ClientOf) -> None:
        maker = as_("member", "read", "admin")
        assert make(maker, scopes=["read"]).status_code == 201
        error_of(make(maker, scopes=["ingest"]), 403)

    def test_the_scope_admin_is_needed_to_make_or_revoke(self, as_: ClientOf) -> None:
        client = as_("member", "read", "ingest", "alarms")
        error_of(make(client), 403)
        error_of(client.delete(f"{PATH}/1"), 403)

    def test_a_token_made_by_a_token_dies_no_later_and_stays_in_its_project(
        self, people: dict[str, User]
    ) -> None:
        token, text = tokens.issue(people["both"].pk, "x", frozenset(["read", "admin"]), P1, days=3)
        made = make(with_token(text), days=90).json()
        assert made["project_id"] == P1
        assert ApiToken.objects.get(pk=made["id"]).expires_at == token.expires_at
        error_of(make(with_token(text), project_id=P2), 400)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"name": ""}, "name"), ({"name": "x" * 256}, "name"), ({"name": "a\x00"}, "name"),
            ({"scopes": []}, "scopes"), ({"scopes": ["root"]}, "scopes[0]"),
            ({"scopes": "read"}, "scopes"), ({"days": 0}, "days"), ({"days": 366}, "days"),
            ({"days": 10**400}, "days"), ({"project_id": P2}, "project_id"),
            ({"user": "admin"}, "user"), ({"expires_at": "2099-01-01"}, "expires_at"),
            ({"digest": "x"}, "digest"), ({"user_id": 1}, "user_id"), ({"id": 1}, "id"),
            ({"revoked_at": None}, "revoked_at"), ({"prefix": "x"}, "prefix"),
        ],
    )  # fmt: skip
    def test_what_may_not_be_set_is_named(
        self, member: Client, fields: dict[str, Any], field: str
    ) -> None:
        before = ApiToken.objects.count()
        error = error_of(make(member, **fields), 400)
        assert error["errors"][0]["field"] in (field, "")
        assert ApiToken.objects.count() == before

    @override_settings(TELEMETRY_TOKENS_PER_USER=2)
    def test_there_is_a_most(self, member: Client) -> None:
        assert make(member).status_code == 201
        assert error_of(make(member), 403)["code"] == "quota_exceeded"
        ApiToken.objects.filter(name="ci").update(revoked_at=clock.now())
        assert make(member).status_code == 201


class TestRevoking:
    def test_it_acts_at_once(self, member: Client) -> None:
        made = make(member).json()
        assert member.delete(f"{PATH}/{made['id']}").status_code == 204
        error_of(with_token(made["token"]).get("/api/resources"), 401)

    def test_twice_is_a_404(self, member: Client) -> None:
        made = make(member).json()
        member.delete(f"{PATH}/{made['id']}")
        error_of(member.delete(f"{PATH}/{made['id']}"), 404)

    def test_anothers_token_is_the_same_404_as_none(self, member: Client, stranger: Client) -> None:
        made = make(member).json()
        foreign = error_of(stranger.delete(f"{PATH}/{made['id']}"), 404)
        missing = error_of(stranger.delete(f"{PATH}/999999999"), 404)
        assert {**foreign, "request_id": ""} == {**missing, "request_id": ""}

    def test_an_administrator_revokes_anybodys(self, member: Client, admin: Client) -> None:
        made = make(member).json()
        assert admin.delete(f"{PATH}/{made['id']}").status_code == 204


class TestLife:
    def dead(self, text: str) -> None:
        assert error_of(with_token(text).get("/api/resources"), 401)["detail"] == (
            "The token is unknown, expired or revoked."
        )

    def test_expired_unknown_and_garbage_are_the_same_401(self, people: dict[str, User]) -> None:
        text = token_of(people["member"])
        ApiToken.objects.update(expires_at=clock.now())
        for one in (text, tokens.new_token(), "garbage", "tlm_" + "a" * 49, "é"):
            self.dead(one)

    def test_other_schemes_are_refused_even_with_a_session(self, people: dict[str, User]) -> None:
        client = Client()
        client.force_login(people["member"])
        for header in ("Basic YTpi", "Token x", "Bearer", "tlm_x", "Bearer  "):
            error_of(client.get("/api/resources", headers={"Authorization": header}), 401)

    def test_a_disabled_owner_is_a_dead_token(self, people: dict[str, User]) -> None:
        text = token_of(people["member"])
        User.objects.filter(username="member").update(is_active=False)
        self.dead(text)

    def test_an_owner_who_left_the_project_sees_nothing(self, people: dict[str, User]) -> None:
        text = token_of(people["member"], project=P1)
        Membership.objects.all().delete()
        error_of(with_token(text).get("/api/resources"), 403)

    def test_a_token_of_one_project_sees_that_one_only(
        self, as_: ClientOf, world: World, people: dict[str, User]
    ) -> None:
        both = as_("both").fetch("/api/resources")["results"]
        one = with_token(token_of(people["both"], project=P1)).fetch("/api/resources")["results"]
        assert {row["project_id"] for row in both} == {P1, P2}
        assert {row["project_id"] for row in one} == {P1}

    def test_an_administrators_token_of_one_project_is_no_administrators(
        self, as_: ClientOf, world: World
    ) -> None:
        client = as_("admin", project=P1)
        assert {row["project_id"] for row in client.fetch("/api/resources")["results"]} == {P1}
        client.refused("/api/sources", 403)

    def test_last_used_is_noted_once_in_five_minutes(self, people: dict[str, User]) -> None:
        client = with_token(token_of(people["member"]))
        client.fetch("/api/resources")
        first = ApiToken.objects.get().last_used_at
        assert first is not None
        client.fetch("/api/resources")
        assert ApiToken.objects.get().last_used_at == first
        ApiToken.objects.update(last_used_at=first - timedelta(minutes=6))
        client.fetch("/api/resources")
        assert ApiToken.objects.get().last_used_at > first - timedelta(minutes=1)

    @pytest.mark.parametrize("name", ["token", "access_token", "q", "Authorization", "x"])
    def test_in_a_url_it_is_refused_and_revoked(self, people: dict[str, User], name: str) -> None:
        text = token_of(people["member"])
        error = error_of(Client().get("/api/resources", {name: text}), 400)
        assert "revoked" in error["detail"]
        assert text not in str(error)
        self.dead(text)

    def test_in_a_url_it_is_revoked_even_beside_a_good_header(
        self, member: Client, people: dict[str, User]
    ) -> None:
        text = token_of(people["reader"])
        member.refused("/api/resources", q=f"x{text}")
        self.dead(text)


class TestSession:
    def browser(self, **extra: Any) -> Client:
        client = Client(enforce_csrf_checks=True, **extra)
        assert client.login(username="member", password=PASSWORD)
        return client

    def test_a_session_reads(self, people: dict[str, User]) -> None:
        assert self.browser().get("/api/resources").status_code == 200

    def test_an_unsafe_method_needs_the_csrf_token(self, people: dict[str, User]) -> None:
        client = self.browser()
        error_of(make(client), 403)
        error_of(client.delete(f"{PATH}/1"), 403)
        error_of(client.post("/api/samples", [], format="json"), 403)
        error_of(client.post("/api/quarantine/discard", {}, format="json"), 403)

    def test_with_the_csrf_token_it_writes(self, people: dict[str, User]) -> None:
        client = self.browser()
        secret = "a" * 32
        client.cookies["telemetry_csrf"] = secret
        headers = {"X-CSRFToken": secret}
        body = {"name": "ci", "scopes": ["read"]}
        assert client.post(PATH, body, format="json", headers=headers).status_code == 201
        headers["Sec-Fetch-Site"] = "cross-site"
        error_of(client.post(PATH, body, format="json", headers=headers), 403)


class TestCommand:
    def run(self, *args: str) -> str:
        out = StringIO()
        call_command("create_token", *args, stdout=out, stderr=StringIO())
        return out.getvalue().strip()

    def test_it_prints_a_token_that_works(self, people: dict[str, User], world: World) -> None:
        text = self.run("member", "--project", P1, "--scopes", "read,ingest", "--days", "1")
        assert with_token(text).get("/api/resources").status_code == 200

    @pytest.mark.parametrize(
        ("args", "text"),
        [
            (["nosuch"], "no user"), (["member", "--project", P2], "not a member"),
            (["reader", "--scopes", "ingest"], "no right"),
            (["member", "--scopes", "x"], "x; known"),
            (["member", "--scopes", ""], "none given"), (["member", "--days", "400"], "365"),
        ],
    )  # fmt: skip
    def test_it_says_what_is_wrong(
        self, people: dict[str, User], args: list[str], text: str
    ) -> None:
        with pytest.raises(CommandError, match=text):
            self.run(*args)


@pytest.mark.django_db(transaction=True)
@override_settings(TELEMETRY_TOKENS_PER_USER=10)
def test_of_fifty_made_at_once_exactly_the_quota_is_made() -> None:
    user = User.objects.create_user("racer")
    outcomes: list[str] = []

    def issue() -> None:
        try:
            tokens.issue(user.pk, "x", frozenset(["read"]))
            outcomes.append("made")
        except tokens.QuotaError:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=issue) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made"] * 10 + ["refused"] * 40
