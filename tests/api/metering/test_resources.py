"""Resources and meters: what has samples, as its newest one describes it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from meters.models import Metric, Resource
from tests.api.alarming.people import fault_of
from tests.api.metering.people import ClassicClient, asked, measured, sample, text
from tests.support.batches import resource

ROOT = "http://testserver/metering/v2"
OLD = resource("vm-1", metadata={"display_name": "old", "type": "42"})
NEW = resource("vm-1", metadata={"display_name": "new", "type": "43"}, user_id="u9")


@pytest.fixture(autouse=True)
def _measured() -> None:
    measured((OLD, "cpu", 1.0, 0), (OLD, "memory", 2.0, 60), (NEW, "cpu", 3.0, 600))
    measured((resource("a/b"), "cpu", 1.0, 300))
    measured((resource("vm-9", project_id="p2"), "disk", 1.0, 0))


class TestResources:
    def test_one_of_them(self, member: ClassicClient) -> None:
        query = "?q.field=resource_id&q.value=vm-1"
        assert member.fetch("/resources/vm-1") == {
            "resource_id": "vm-1", "project_id": "p1", "user_id": "u9",
            "first_sample_timestamp": text(0), "last_sample_timestamp": text(600),
            "metadata": {"display_name": "new", "type": "43"},
            "links": [
                {"href": f"{ROOT}/resources/vm-1", "rel": "self"},
                {"href": f"{ROOT}/meters/cpu{query}", "rel": "cpu"},
                {"href": f"{ROOT}/meters/memory{query}", "rel": "memory"},
            ],
            "source": "openstack",
        }  # fmt: skip

    def test_the_last_to_be_measured_comes_first(
        self, member: ClassicClient, admin: ClassicClient
    ) -> None:
        assert [one["resource_id"] for one in member.listed("/resources")] == ["vm-1", "a/b"]
        assert len(admin.listed("/resources")) == 3

    SPELLINGS = ["a/b", "a%2Fb", "a%252Fb"]

    def test_an_id_may_hold_a_slash(self, member: ClassicClient) -> None:
        for path in self.SPELLINGS:
            found = member.fetch(f"/resources/{path}")
            assert found["resource_id"] == "a/b"
            assert found["links"][0]["href"] == f"{ROOT}/resources/a%2Fb"

    FITTING = [
        ([("metadata.display_name", "eq", "old")], 0, 60, "old"),
        ([("metadata.display_name", "eq", "new")], 600, 600, "new"),
        ([("timestamp", "lt", text(600))], 0, 60, "old"),
        ([("timestamp", "ge", text(60))], 60, 600, "new"),
        ([("user", "eq", "u9")], 600, 600, "new"),
    ]

    def test_times_and_metadata_are_of_the_samples_that_fit(self, member: ClassicClient) -> None:
        for terms, first, last, name in self.FITTING:
            (found,) = member.listed("/resources", ("resource", "eq", "vm-1"), *terms)
            ends = found["first_sample_timestamp"], found["last_sample_timestamp"]
            assert ends == (text(first), text(last))
            assert found["metadata"]["display_name"] == name

    def test_who_moved_is_shown_for_its_time(
        self, member: ClassicClient, stranger: ClassicClient
    ) -> None:
        measured((resource("vm-1", project_id="p2", metadata={}), "cpu", 5.0, 1200))
        mine, theirs = member.fetch("/resources/vm-1"), stranger.fetch("/resources/vm-1")
        assert (mine["last_sample_timestamp"], mine["project_id"]) == (text(600), "p1")
        assert (theirs["first_sample_timestamp"], theirs["metadata"]) == (text(1200), {})
        assert [link["rel"] for link in theirs["links"]] == ["self", "cpu"]

    def test_links_may_be_left_out(self, member: ClassicClient) -> None:
        for one in member.listed("/resources", meter_links=0):
            assert [link["rel"] for link in one["links"]] == ["self"]
        assert "unable to convert" in fault_of(member.ask("GET", "/resources?meter_links=yes"), 400)

    def test_pages(self, admin: ClassicClient) -> None:
        answer = admin.ask("GET", "/resources?limit=2")
        assert answer["X-Truncated"] == "true"
        first = [one["resource_id"] for one in answer.json()]
        rest = admin.listed("/resources", limit=2, marker=first[-1])
        assert first + [one["resource_id"] for one in rest] == ["vm-1", "a/b", "vm-9"]
        fault_of(admin.ask("GET", "/resources?marker=nope"), 400)

    def test_one_that_is_none_or_another_s(self, member: ClassicClient) -> None:
        for name in ("nope", "vm-9"):
            words = fault_of(member.ask("GET", f"/resources/{name}"), 404)
            assert words == f"Resource {name} Not Found"

    def test_two_projects_samples_of_one_id_are_one_resource_to_an_administrator(
        self, stranger: ClassicClient, admin: ClassicClient
    ) -> None:
        stranger.posted(sample(resource_id="vm-1", timestamp=text(1200)))
        (found,) = admin.listed("/resources", ("resource_id", "eq", "vm-1"))
        assert (found["project_id"], found["first_sample_timestamp"]) == ("p2", text(0))
        assert [link["rel"] for link in found["links"]] == ["self", "cpu", "memory", "apples"]

    REFUSED = [
        (asked(("meter", "eq", "cpu")), "valid keys: ['project', 'resource', 'search_offset'"),
        (asked(("message_id", "eq", "x")), "unrecognized field in query"),
        ("limit=-1", "Limit must be positive"),
    ]

    def test_what_is_wrong_is_said(self, member: ClassicClient) -> None:
        for query, words in self.REFUSED:
            assert words in fault_of(member.ask("GET", f"/resources?{query}"), 400)


class TestMeters:
    def test_each_of_each_resource(self, member: ClassicClient) -> None:
        found = member.listed("/meters")
        assert [(one["resource_id"], one["name"]) for one in found] == [
            ("vm-1", "cpu"), ("vm-1", "memory"), ("a/b", "cpu"),
        ]  # fmt: skip
        assert found[0] == {
            "name": "cpu", "type": "gauge", "unit": "B", "resource_id": "vm-1", "project_id": "p1",
            "user_id": "u9", "source": "openstack",
            "meter_id": base64.b64encode(b"vm-1+cpu").decode(),
        }  # fmt: skip
        assert found[1]["user_id"] == "u1"

    def test_each_once_whichever_resources_have_it(self, admin: ClassicClient) -> None:
        found = admin.listed("/meters", unique="True")
        assert [one["name"] for one in found] == ["cpu", "memory", "disk"]
        assert found[0] == {
            "name": "cpu", "type": "gauge", "unit": "B", "resource_id": None, "project_id": None,
            "user_id": None, "source": None, "meter_id": base64.b64encode(b"None+cpu").decode(),
        }  # fmt: skip
        assert len(admin.listed("/meters", unique="what")) == 4

    def test_pages(self, admin: ClassicClient) -> None:
        for unique, count in (("no", 4), ("yes", 3)):
            found: list[str] = []
            more: dict[str, Any] = {}
            for place in range(count):
                answer = admin.ask("GET", f"/meters?{asked(limit=1, unique=unique, **more)}")
                (one,) = answer.json()
                assert ("X-Truncated" in answer) == (place < count - 1)
                found.append(one["meter_id"])
                more = {"marker": one["meter_id"]}
            assert len(set(found)) == count
        for marker in ("nope", base64.b64encode(b"+" * 1_000_000).decode()):
            body = {"marker": marker}
            assert "not found" in fault_of(admin.ask("GET", "/meters", body), 400)

    def test_metadata_are_those_of_the_newest_sample(self, member: ClassicClient) -> None:
        found = member.listed("/meters", ("metadata.display_name", "eq", "new"))
        assert [one["name"] for one in found] == ["cpu"]
        found = member.listed("/meters", ("metadata.display_name", "eq", "old"))
        assert [one["name"] for one in found] == ["memory"]

    REFUSED = [
        (asked(("timestamp", "gt", "2024-01-01")), "not valid for this resource"),
        (asked(("unique", "eq", "x")), "unrecognized field in query"),
        (asked(("limit", "eq", "1")), 'Unknown argument: "limit": unrecognized field in query'),
    ]

    def test_what_is_wrong_is_said(self, member: ClassicClient) -> None:
        for query, words in self.REFUSED:
            assert words in fault_of(member.ask("GET", f"/meters?{query}"), 400)

    def test_a_metric_without_a_sample_is_none(self, admin: ClassicClient) -> None:
        Metric.objects.create(resource=Resource.objects.get(original_id="vm-1"), name="empty")
        assert "empty" not in {one["name"] for one in admin.listed("/meters")}
