"""The access matrix: every operation × every principal (reliability.md 5.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.db import connection

from alarms import trying
from telemetry_site.auth import tokens
from telemetry_site.auth.models import ApiToken
from telemetry_site.auth.principal import ALL_SCOPES
from tests.api.people import CANARY, Client, error_of
from tests.api.world import World
from tests.security.operations import UNDESCRIBED, described, routes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_once")]
ClientOf = Callable[..., Client]
IdsOf = Callable[[dict[str, Any]], dict[str, Any]]
ROWS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("matrix.yaml").read_text())
WITH_OBJECT = [row for row in ROWS if "object" in row]
SCOPED = [row for row in ROWS if "scope" in row]
PRINCIPALS = ("anonymous", "nobody", "stranger", "reader", "member", "admin")
MISSING = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "pk": "999999999",
    "message_id": "no-such-event",
}
FORGED = {
    "X-Auth-Token": "admin", "X-User-Id": "1", "X-User-Name": "admin", "X-Project-Id": "p1",
    "X-Tenant-Id": "p1", "X-Roles": "admin", "X-Is-Admin-Project": "True", "X-Scope-OrgID": "p1",
    "X-Domain-Id": "default", "X-Service-Roles": "service", "Remote-User": "admin",
    "X-Forwarded-For": "127.0.0.1", "X-Http-Method-Override": "DELETE",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No notifier runs beside these tests."""
    monkeypatch.setattr(trying, "PATIENCE_S", 0.0)


@pytest.fixture
def ids_of(world: World, people: dict[str, User]) -> IdsOf:
    """The ids in a row's path are those of its `object`."""

    def token() -> ApiToken:
        return tokens.issue(people["member"].pk, "to be revoked", frozenset(["read"]))[0]

    found: dict[str, Callable[[], dict[str, Any]]] = {
        "": dict,
        "resource": lambda: {"uuid": world.vm.uuid},
        "metric": lambda: {"uuid": world.cpu.uuid},
        "event": lambda: {"message_id": world.event.message_id},
        "source": lambda: {"pk": world.source.pk},
        "quarantine": lambda: {"pk": world.quarantined.pk},
        "token": lambda: {"pk": token().pk},
        "alarm": lambda: {"uuid": world.alarm.pk},
        "notification": lambda: {"uuid": world.notification.pk},
        "silence": lambda: {"uuid": world.silence.pk},
        "inhibition": lambda: {"uuid": world.inhibition.pk},
        "receiver": lambda: {"uuid": world.receiver.pk},
        "route": lambda: {"uuid": world.route.pk},
    }
    return lambda row: found[row.get("object", "")]()


def ask(client: Client, row: dict[str, Any], ids: dict[str, Any], **headers: str) -> Any:
    path = row["path"].format(**ids)
    if row["method"] in ("GET", "HEAD", "OPTIONS"):
        return client.generic(row["method"], path, QUERY_STRING=_query(row), headers=headers)
    send = getattr(client, row["method"].lower())
    return send(path, row.get("body"), format="json", headers=headers)


def _query(row: dict[str, Any]) -> str:
    return "&".join(f"{name}={value}" for name, value in row.get("query", {}).items())


def content_of(answer: Any) -> str:
    body = answer.getvalue() if answer.streaming else answer.content
    return body.decode() + str(answer.headers)


def fingerprint() -> dict[str, str | None]:
    """A digest of every table."""
    with connection.cursor() as cursor:
        cursor.execute(_digests())
        return dict(cursor.fetchall())


@cache
def _digests() -> str:
    """One question for all tables."""
    digest = "md5(string_agg(t::text, ',' ORDER BY t::text))"
    tables = connection.introspection.table_names()
    return " UNION ALL ".join(
        f"SELECT '{table}', (SELECT {digest} FROM {connection.ops.quote_name(table)} t)"
        for table in tables
    )


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    rows = {(row["method"], row["path"]) for row in ROWS}
    assert rows == routes()


def test_every_route_is_in_the_schema() -> None:
    expected = {(method, path) for method, path in routes() if path not in UNDESCRIBED}
    assert described() == expected


def test_ids_of_rows_are_unique() -> None:
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    assert all(set(row["answers"]) == set(PRINCIPALS) for row in ROWS)


@pytest.mark.parametrize("who", PRINCIPALS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_each_principal_gets_the_answer_of_the_matrix(
    as_: ClientOf, ids_of: IdsOf, row: dict[str, Any], who: str
) -> None:
    client, ids = as_(who), ids_of(row)
    client.get("/api/")  # notes the token's use, so that nothing below changes a row
    expected, before = row["answers"][who], fingerprint()
    for headers in (FORGED, {}):
        answer = ask(client, row, ids, **headers)
        assert answer.status_code == expected, answer.content
        if expected >= 400:
            error_of(answer, expected)
            assert fingerprint() == before
        if who in ("reader", "member", "nobody", "anonymous"):
            assert CANARY not in content_of(answer)
        if row["method"] != "GET" and expected < 400:
            return  # it is done; a second time is another question


@pytest.mark.parametrize("who", PRINCIPALS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_head_and_options_tell_no_more(
    as_: ClientOf, ids_of: IdsOf, row: dict[str, Any], who: str
) -> None:
    client, ids = as_(who), ids_of(row)
    if row["method"] == "GET":
        answer = ask(client, {**row, "method": "HEAD"}, ids)
        assert answer.status_code == row["answers"][who]
        assert content_of(answer).startswith("{'")  # headers only
    answer = ask(client, {**row, "method": "OPTIONS", "query": {}}, ids)
    if who in ("anonymous", "nobody") and row["id"] != "ROOT":
        error_of(answer, 401 if who == "anonymous" else 403)
    assert CANARY not in content_of(answer)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_slash_at_the_end_opens_nothing(
    as_: ClientOf, ids_of: IdsOf, row: dict[str, Any]
) -> None:
    if row["id"] in ("ROOT", "EVE2"):  # a message id may end in anything
        return
    ids = ids_of(row)
    for who, status in (("anonymous", 401), ("admin", 404)):
        error_of(ask(as_(who), {**row, "path": row["path"] + "/"}, ids), status)


@pytest.mark.parametrize("row", WITH_OBJECT, ids=lambda row: row["id"])
def test_missing_is_told_like_foreign(as_: ClientOf, ids_of: IdsOf, row: dict[str, Any]) -> None:
    owner = as_(row.get("owner", "member"))
    missing = error_of(ask(owner, row, MISSING), row["missing"])
    if row["answers"]["stranger"] == 404:
        foreign = error_of(ask(as_("stranger"), row, ids_of(row)), 404)
        assert {**foreign, "request_id": ""} == {**missing, "request_id": ""}


@pytest.mark.parametrize("row", SCOPED, ids=lambda row: row["id"])
def test_a_token_without_the_scope_is_refused(
    as_: ClientOf, ids_of: IdsOf, row: dict[str, Any]
) -> None:
    """TK1. Reading the installation's rows needs `read` too; a token's scopes only shrink."""
    owner, ids = row.get("owner", "member"), ids_of(row)
    before = row["answers"][owner]
    error_of(ask(as_(owner, *(ALL_SCOPES - {row["scope"]})), row, ids), 403)
    needed = {row["scope"], *row.get("body", {}).get("scopes", ())}
    needed |= {"read"} if row["method"] == "GET" else set()
    assert ask(as_(owner, *needed), row, ids).status_code == before


def test_two_tenants_with_equal_names_see_what_they_would_see_alone(
    as_: ClientOf, world: World
) -> None:
    """S50: nothing in p1's answers depends on what p2 has."""
    from alarms.models import Alarm, AlarmHistory, Inhibition, Notification, Silence
    from meters.models import Event, Resource

    lists = [
        "resources", "metrics", "meters", "samples", "events", "event-types", "alarms",
        "alarm-history", "notifications", "silences", "inhibitions",
    ]  # fmt: skip
    reader = as_("reader")

    def look() -> list[str]:
        answers = [reader.get(f"/api/{name}").content.decode() for name in lists]
        answers.append(reader.get("/api/statistics?meter=*&groupby=meter").content.decode())
        answers.append(reader.get("/api/why?resource=vm-1&meter=disk.size").content.decode())
        moving = r'"age_s":[0-9.]+|"(start|stop)":"[^"]+"|\(\d+ \w+ ago\)'
        return [re.sub(moving, "", text) for text in answers]

    together = look()
    for model in (Resource, Event, Alarm, AlarmHistory, Notification, Silence, Inhibition):
        model.objects.filter(project_id="p2").delete()
    assert look() == together
