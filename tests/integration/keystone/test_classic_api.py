"""The metering and event API for people of a real Keystone: who posts what, and who sees it."""

from __future__ import annotations

import pytest

from meters import wire
from tests.api.alarming.people import fault_of
from tests.api.metering.people import ClassicClient, EventClient, happened, sample
from tests.integration.keystone.asking import NO_PROJECT, away
from tests.keystone import KeystoneServer

pytestmark = [pytest.mark.keystone, pytest.mark.usefixtures("undone_store")]


class Metering(ClassicClient):
    """Brings a token of Keystone's."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.sent["X-Auth-Token"] = token


class Happenings(EventClient):
    def __init__(self, token: str) -> None:
        super().__init__()
        self.sent["X-Auth-Token"] = token


@pytest.fixture
def callers(tokens: dict[str, str], door: KeystoneServer) -> dict[str, Metering]:
    return {name: Metering(token) for name, token in tokens.items()}


@pytest.fixture
def viewers(tokens: dict[str, str], door: KeystoneServer) -> dict[str, Happenings]:
    return {name: Happenings(token) for name, token in tokens.items()}


def reads_of(told: dict[str, object]) -> list[str]:
    return [
        "/resources/r1", f"/samples/{told['message_id']}", "/resources", "/samples", "/meters",
        "/meters/apples", "/meters/apples/statistics",
    ]  # fmt: skip


def test_what_a_member_posts_is_the_projects(
    callers: dict[str, Metering], door: KeystoneServer
) -> None:
    (told,) = callers["member"].posted(sample())
    p1, user = door.find("projects", "p1"), door.find("users", "member")
    assert (told["project_id"], told["user_id"]) == (p1, user)
    for name in ("member", "reader", "admin"):
        for path in reads_of(told):
            assert callers[name].fetch(path), (name, path)
    (statistic,) = callers["reader"].fetch("/meters/apples/statistics")
    assert (statistic["count"], statistic["sum"]) == (1, 1.0)


def test_a_stranger_sees_nothing_of_it(callers: dict[str, Metering], door: KeystoneServer) -> None:
    (told,) = callers["member"].posted(sample())
    stranger, p1 = callers["stranger"], door.find("projects", "p1")
    for path in reads_of(told)[:2]:
        fault_of(stranger.ask("GET", path), 404)
    for path in reads_of(told)[2:]:
        assert stranger.fetch(path) == [], path
        asked = f"{path}?q.field=project_id&q.op=eq&q.value={p1}"
        words = fault_of(stranger.ask("GET", asked), 401)
        assert words == f"Not Authorized to access project {p1}"
    query = {"filter": f'{{"=": {{"project_id": "{p1}"}}}}'}
    fault_of(stranger.ask("POST", "/query/samples", query), 401)
    assert stranger.ask("POST", "/query/samples", {}).json() == []


def test_only_an_administrator_posts_for_others(
    callers: dict[str, Metering], door: KeystoneServer
) -> None:
    p1 = door.find("projects", "p1")
    words = fault_of(
        callers["stranger"].ask("POST", "/meters/apples", [sample(project_id=p1)]), 400
    )
    assert words.endswith("can not post samples to other projects")
    (told,) = callers["admin"].posted(sample(project_id=p1))
    assert told["project_id"] == p1
    assert callers["member"].fetch("/samples")[0]["project_id"] == p1


@pytest.mark.parametrize("name", NO_PROJECT)
def test_who_has_no_part_in_a_project_is_refused(
    callers: dict[str, Metering], viewers: dict[str, Happenings], name: str
) -> None:
    for path in ("/meters", "/samples", "/resources", "/meters/apples/statistics"):
        fault_of(callers[name].ask("GET", path), 403)
    fault_of(callers[name].ask("POST", "/meters/apples", [sample()]), 403)
    fault_of(viewers[name].ask("GET", "/events"), 403)


def test_events_are_their_users_and_the_administrators(
    viewers: dict[str, Happenings], callers: dict[str, Metering], door: KeystoneServer
) -> None:
    owner = {"project_id": door.find("projects", "p1"), "user_id": door.find("users", "member")}
    traits = [wire.Trait(name, "text", value) for name, value in owner.items()]
    happened("m1", "vm.create", 0, *traits)
    happened("m2", "sensor", 1)
    for one in (viewers["member"], callers["member"]):
        assert [event["message_id"] for event in one.fetch("/events")] == ["m1"]
        assert one.fetch("/events/m1")["event_type"] == "vm.create"
    for name in ("reader", "stranger", "service"):
        assert viewers[name].fetch("/events") == []
        fault_of(viewers[name].ask("GET", "/events/m1"), 404)
        fault_of(viewers[name].ask("GET", "/event_types"), 401)
    admin = viewers["admin"]
    assert [event["message_id"] for event in admin.fetch("/events")] == ["m2"]
    everywhere = admin.listed("/events", ("all_tenants", "eq", "true"))
    assert [event["message_id"] for event in everywhere] == ["m1", "m2"]
    assert admin.fetch("/event_types") == ["sensor", "vm.create"]


def test_an_unknown_token_is_told_where_to_get_one(door: KeystoneServer) -> None:
    for client, path in (
        (Metering("gAAAAAnothing"), "/meters"),
        (Happenings("gAAAAAno"), "/events"),
    ):
        answer = client.ask("GET", path)
        fault_of(answer, 401)
        assert answer["WWW-Authenticate"] == f'Keystone uri="{door.url}"'


def test_without_keystone_nobody_gets_in_and_it_is_said(door: KeystoneServer) -> None:
    with away(door):
        text = fault_of(Metering("gAAAAAsomething").ask("GET", "/meters"), 503)
    assert "Keystone gives no answer" in text
