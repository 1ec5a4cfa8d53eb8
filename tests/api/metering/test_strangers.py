"""Another project's member finds nothing of p1, whatever he asks and however."""

from __future__ import annotations

import json
import re

import pytest

from meters import wire
from meters.event_api.urls import urlpatterns as event_urls
from meters.metering_api.urls import urlpatterns as classic_urls
from tests.api.alarming.people import fault_of
from tests.api.metering.people import (
    ClassicClient,
    EventClient,
    asked,
    happened,
    measured,
    text,
)
from tests.security.doors import routes
from tests.support.batches import resource

SECRET = "canary"


@pytest.fixture
def sample_id(member: ClassicClient) -> str:
    """Of p1's resource, which was nobody's before and is p2's now."""
    name = f"{SECRET}-vm"
    for project, seconds in ((None, 0), ("p1", 600), ("p2", 1200)):
        owner = resource(
            name if project != "p2" else f"{SECRET}-vm", project_id=project,
            user_id=f"{project}-user", metadata={"display_name": f"{project}-name"},
        )  # fmt: skip
        measured((owner, "cpu", 1.5, seconds))
    measured((resource("p1-only", metadata={"display_name": "p1-name"}), "p1-meter", 2.5, 0))
    traits = [wire.Trait("project_id", "text", "p1"), wire.Trait("user_id", "text", "u1")]
    happened("p1-event", "p1-type", 0, *traits)
    return str(member.listed("/meters/cpu")[0]["message_id"])


LISTS = [
    "/meters", "/meters?unique=1", "/samples", "/resources", "/meters/cpu", "/meters/p1-meter",
    "/meters/cpu/statistics", "/meters/cpu/statistics?groupby=project_id&groupby=user_id",
    "/meters/p1-meter/statistics", "/events",
    f"/samples?{asked(('metadata.display_name', 'eq', 'p1-name'))}",
    f"/samples?{asked(('resource_id', 'eq', 'p1-only'))}",
    f"/resources?{asked(('metadata.display_name', 'eq', 'p1-name'))}",
    f"/resources?{asked(('timestamp', 'lt', text(1200)))}",
    f"/meters?{asked(('resource_id', 'eq', 'p1-only'))}",
    f"/events?{asked(('project_id', 'eq', 'p1'))}",
    f"/events?{asked(('all_tenants', 'eq', 'true'))}",
]  # fmt: skip


def test_lists_hold_nothing_of_another_s(stranger: ClassicClient, sample_id: str) -> None:
    for path in LISTS:
        answer = stranger.ask("GET", path)
        assert answer.status_code == 200, answer.content
        text_of = answer.content.decode()
        assert "p1" not in text_of
        assert "None-" not in text_of
        for one in answer.json():
            assert one.get("count", 1) == 1
            assert one.get("first_sample_timestamp", text(1200)) == text(1200)


SINGLE = ["/resources/p1-only", "/samples/{sample}", "/events/p1-event"]


def test_single_things_are_not_there(stranger: ClassicClient, sample_id: str) -> None:
    for path in SINGLE:
        foreign = fault_of(stranger.ask("GET", path.format(sample=sample_id)), 404)
        absent = fault_of(stranger.ask("GET", path.rpartition("/")[0] + "/none"), 404)
        assert foreign.rpartition(" Not Found")[1:] == absent.rpartition(" Not Found")[1:]


ASKING = ["/meters", "/samples", "/resources", "/meters/cpu/statistics"]


def test_asking_for_another_project_is_refused(stranger: ClassicClient, sample_id: str) -> None:
    for path in ASKING:
        for field in ("project", "project_id"):
            query = asked((field, "eq", "p2"), (field, "eq", "p1"))
            words = fault_of(stranger.ask("GET", f"{path}?{query}"), 401)
            assert words == "Not Authorized to access project p1"


def test_the_complex_query_is_wrapped(stranger: ClassicClient, sample_id: str) -> None:
    for query in (
        {"not": {"=": {"meter": "none"}}},
        {"or": [{"=": {"resource_id": "p1-only"}}, {">": {"volume": 0}}]},
        {"=": {"message_id": sample_id}},
        {"!=": {"metadata.display_name": "x"}},
    ):
        answer = stranger.ask("POST", "/query/samples", {"filter": json.dumps(query)})
        assert "p1" not in answer.content.decode()
        assert all(one["timestamp"] == text(1200) for one in answer.json())


def test_markers_of_another_s_lead_nowhere_else(stranger: ClassicClient, sample_id: str) -> None:
    assert stranger.listed("/samples", marker=sample_id) == []
    fault_of(stranger.ask("GET", "/resources?marker=p1-only"), 400)
    fault_of(stranger.ask("GET", "/events?marker=p1-event"), 400)


def test_what_is_nobody_s_only_an_administrator_sees(
    admin: ClassicClient, member: ClassicClient, sample_id: str
) -> None:
    found = admin.listed("/samples", ("project_id", "eq", "None"))
    assert [one["timestamp"] for one in found] == [text(0)]
    fault_of(member.ask("GET", f"/samples/{found[0]['id']}"), 404)


#: What stands in the paths: p1's own.
PLACES = {
    "meter": "p1-meter", "resource_id": "p1-only", "message_id": "p1-event",
    "event_type": "p1-type", "trait": "project_id",
}  # fmt: skip
OPEN = {"", "healthcheck", "v2/capabilities", "^.*$"}


@pytest.mark.parametrize("door", [ClassicClient, EventClient])
def test_no_address_tells_anything_of_another_s(
    admin: ClassicClient, sample_id: str, door: type[ClassicClient]
) -> None:
    """Every one that there is, also those to come: what an administrator finds there a stranger
    does not."""
    patterns = event_urls if door is EventClient else classic_urls
    names = PLACES | {"sample_id": sample_id}
    stranger, owner = door("u2", "p2", "member"), door("root", "", "admin")
    found = 0
    for method, path, _ in routes(patterns, OPEN, names):
        path = path.removeprefix("v2")
        body = None if method == "GET" else []
        if path == "/query/samples":
            body = {"limit": 1000}
        elif method != "GET":
            assert path == "/meters/p1-meter", "a new address: what may a stranger send there?"
            continue
        shown = owner.ask(method, path, body)
        found += shown.status_code == 200 and "p1" in shown.content.decode()
        answer = stranger.ask(method, path, body)
        assert answer.status_code in (200, 401, 404), (path, answer.content)
        told = answer.content.decode() if answer.status_code == 200 else ""
        assert not re.search("p1|None-", told), (path, told)
    assert found >= (10 if door is ClassicClient else 4)
