"""Another project's member finds nothing of p1, whatever he asks and however."""

from __future__ import annotations

import json

import pytest

from meters import wire
from tests.api.alarming.people import fault_of
from tests.api.metering.people import ClassicClient, asked, happened, measured, text
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
