"""Events: who sees which, conditions on traits, pages, types and traits."""

from __future__ import annotations

from typing import Any

import pytest

from meters import wire
from tests.api.alarming.people import fault_of
from tests.api.metering.people import (
    ClassicClient,
    EventClient,
    asked,
    at,
    happened,
    text,
)
from tests.api.people import make_people, token_of

CREATED = "compute.instance.create.end"


def owned(project: str | None, user: str | None) -> list[wire.Trait]:
    pairs = (("project_id", project), ("user_id", user))
    return [wire.Trait(name, "text", value) for name, value in pairs if value]


@pytest.fixture(autouse=True)
def _happened() -> None:
    launched = wire.Trait("launched_at", "datetime", at(5))
    memory = [wire.Trait("memory_mb", "int", 512), wire.Trait("ratio", "float", 0.0)]
    name = wire.Trait("name", "text", "512")
    happened("m0", CREATED, 0.5, launched, *memory, *owned("p1", "u1"))
    happened("m1", CREATED, 1, name, *owned("p1", "u1"))
    happened("m2", "volume.exists", 2, name, *owned("p1", "u9"))
    happened("m3", "volume.exists", 3, *owned("p2", "u2"))
    happened("m4", "sensor", 4, wire.Trait("memory_mb", "int", 1024))
    happened("m5", "sensor", 4, *owned("admin-p", "x"))


def ids(found: Any) -> list[str]:
    return [one["message_id"] for one in found]


class TestShown:
    def test_one_event(self, event_member: EventClient) -> None:
        assert event_member.fetch("/events/m0") == {
            "message_id": "m0", "event_type": CREATED, "generated": text(0.5),
            "traits": [
                {"name": "launched_at", "value": text(5), "type": "datetime"},
                {"name": "memory_mb", "value": "512", "type": "integer"},
                {"name": "project_id", "value": "p1", "type": "string"},
                {"name": "ratio", "value": "0.0", "type": "float"},
                {"name": "user_id", "value": "u1", "type": "string"},
            ],
            "raw": {},
        }  # fmt: skip

    def test_the_metering_api_has_the_same(
        self, event_member: EventClient, member: ClassicClient
    ) -> None:
        for path in ("/events", "/events/m1"):
            assert member.fetch(path) == event_member.fetch(path)


class TestWhoSees:
    def test_a_user_sees_his_own_in_the_own_project(self, event_member: EventClient) -> None:
        assert ids(event_member.listed("/events")) == ["m0", "m1"]
        for name in ("m2", "m3", "m4", "nope"):
            words = fault_of(event_member.ask("GET", f"/events/{name}"), 404)
            assert words == f"Event {name} Not Found"

    def test_an_administrator_sees_the_own_project_s_and_nobody_s_or_all(
        self, event_admin: EventClient
    ) -> None:
        assert ids(event_admin.listed("/events")) == ["m4", "m5"]
        every = event_admin.listed("/events", ("all_tenants", "eq", "true"))
        assert ids(every) == ["m0", "m1", "m2", "m3", "m4", "m5"]
        assert event_admin.fetch("/events/m3")["message_id"] == "m3"
        assert len(EventClient("root", "", "admin").listed("/events")) == 6

    def test_all_tenants_is_a_trait_to_all_others(self, event_member: EventClient) -> None:
        assert event_member.listed("/events", ("all_tenants", "eq", "true")) == []
        assert event_member.listed("/events", ("all_tenants", "eq", "false")) == []

    def test_who_has_no_user_or_no_project(self) -> None:
        for user, project, role in (("u", "", "member"), ("", "p1", "member"), ("", "p", "admin")):
            client = EventClient(user, project, role)
            for path in ("/events", "/events/m0"):
                fault_of(client.ask("GET", path), 403)

    PATHS = ["/event_types", "/event_types/a", "/event_types/a/traits", "/event_types/a/traits/b"]

    def test_types_are_for_administrators(self, event_member: EventClient) -> None:
        for path in self.PATHS:
            words = fault_of(event_member.ask("GET", path), 401)
            assert words == "Not Authorized to access project p1"

    def test_a_token_of_ours(self) -> None:
        client = EventClient()
        client.sent["X-Auth-Token"] = token_of(make_people()["admin"])
        assert len(client.listed("/events")) == 6


class TestConditions:
    FITTING = [
        ([("event_type", "eq", CREATED)], "01"),
        ([("message_id", "eq", "m3")], "3"),
        ([("start_timestamp", "ge", text(2))], "2345"),
        ([("start_timestamp", "ge", text(1)), ("end_timestamp", "le", text(2))], "12"),
        ([("memory_mb", "eq", "512", "integer")], "0"),
        ([("memory_mb", "eq", "512", "string")], ""),
        ([("memory_mb", "eq", "512")], "0"),
        ([("memory_mb", "eq", "512.0")], ""),
        ([("ratio", "eq", "0", "float")], "0"),
        ([("ratio", "eq", "0")], "0"),
        ([("name", "eq", "512")], "12"),
        ([("name", "eq", "512", "integer")], ""),
        ([("memory_mb", "ge", "512", "integer")], "04"),
        ([("memory_mb", "gt", "512")], "4"),
        ([("memory_mb", "gt", "9", "string")], ""),
        ([("memory_mb", "ge", "1", "integer"), ("memory_mb", "lt", "600", "integer")], "0"),
        ([("memory_mb", "ne", "512", "integer")], "4"),
        ([("user_id", "eq", "u1"), ("user_id", "eq", "u9")], ""),
        ([("launched_at", "lt", text(6), "datetime")], "0"),
        ([("launched_at", "eq", text(5) + "Z")], "0"),
        ([("launched_at", "gt", text(5), "datetime")], ""),
        ([("never", "eq", "x")], ""),
    ]

    def test_all_must_hold(self, event_admin: EventClient) -> None:
        for terms, wanted in self.FITTING:
            found = event_admin.listed("/events", ("all_tenants", "eq", "1"), *terms)
            assert "".join(ids(found)).replace("m", "") == wanted

    REFUSED = [
            (asked(("event_type", "ne", "a")),
             "Operator ne is not supported. Only `eq' operator is available for field event_type"),
            (asked(("start_timestamp", "le", "2024-01-01")), "Only `ge' operator is available"),
            (asked(("start_timestamp", "ge", "nope")), "invalid timestamp format"),
            (asked(("a", "foo", "x")),
             "Operator foo is not supported. The supported operators are: "
             "('lt', 'le', 'eq', 'ne', 'ge', 'gt')"),
            (asked(("a", "eq", "x", "whats-up")),
             "The data type whats-up is not supported. The supported data type list is: "
             "['integer', 'float', 'string', 'datetime']"),
            (asked(("a", "eq", "x", "boolean")), "The data type boolean is not supported."),
            (asked(("a", "eq", "x", "integer")),
             "Unable to convert the value x to the expected data type integer."),
            (asked(("a", "eq", "inf", "float")), "Unable to convert the value inf"),
            (asked(("a", "eq", "")), "Mandatory field missing."),
            ("limit=-1", "the limit should be a positive integer."),
            ("limit=x", "unable to convert to int"),
            ("sort=foo", "the supported sort keys are: ('message_id', 'generated')"),
            ("sort=generated:up", "supported sort directions are: ('asc', 'desc')"),
            ("marker=nope", "Marker nope not found."),
            ("bogus=1", 'Unknown argument: "bogus"'),
        ]  # fmt: skip

    def test_what_is_wrong_is_said(self, event_member: EventClient) -> None:
        for query, words in self.REFUSED:
            assert words in fault_of(event_member.ask("GET", f"/events?{query}"), 400)

    def test_the_query_may_stand_in_the_body(self, event_member: EventClient) -> None:
        body = {"q": [{"field": "memory_mb", "type": "integer", "value": 512}]}
        assert ids(event_member.ask("GET", "/events", body).json()) == ["m0"]


class TestPages:
    def test_sorted(self, event_admin: EventClient) -> None:
        every = ("all_tenants", "eq", "1")
        found = event_admin.listed("/events", every, sort=["generated:desc", "message_id"])
        assert ids(found) == ["m4", "m5", "m3", "m2", "m1", "m0"]
        assert len(event_admin.listed("/events", every, limit=0)) == 6

    @pytest.mark.parametrize("sort", ["generated", "generated:desc", "message_id:desc"])
    def test_they_neither_repeat_nor_lose(self, event_admin: EventClient, sort: str) -> None:
        every = ("all_tenants", "eq", "1")
        whole, found = ids(event_admin.listed("/events", every, sort=sort)), list[str]()
        more: dict[str, Any] = {}
        while len(found) < len(whole):
            answer = event_admin.ask("GET", f"/events?{asked(every, sort=sort, limit=2, **more)}")
            found += ids(answer.json())
            assert ("X-Truncated" in answer) == (len(found) < len(whole))
            more = {"marker": found[-1]}
        assert found == whole

    #: Hours, some twice: at the ends of the pieces of time that are gone through, and between them.
    HOURS = (0, 0.5, 1, 1, 5, 9, 9, 40, 73, 73, 300, 585, 585, 2000)

    @pytest.mark.parametrize("sort", ["generated", "generated:desc", "message_id:desc"])
    @pytest.mark.parametrize("bounds", [(None, None), (-3, 3000), (9, 585), (500, None)])
    def test_of_a_trait_all_of_the_time_is_gone_through(
        self, event_admin: EventClient, sort: str, bounds: tuple[int | None, int | None]
    ) -> None:
        low, high = bounds
        there = []
        for number, hours in enumerate(self.HOURS):
            for size in (number % 2, 2):
                name = f"n{number:02}-{size}"
                happened(name, "sensor", 3600 * hours, wire.Trait("size", "int", size))
                if size == 2 and (low or 0) <= hours <= (high or hours):
                    there.append((hours, name))
        wanted = [("all_tenants", "eq", "1"), ("size", "eq", "2")]
        wanted += [("start_timestamp", "ge", text(3600 * low))] if low else []
        wanted += [("end_timestamp", "le", text(3600 * high))] if high else []
        expected = [name for _, name in sorted(there)]
        if sort == "generated:desc":
            expected = [name for _, name in sorted(there, key=lambda one: (-one[0], one[1]))]
        if sort == "message_id:desc":
            expected.sort(reverse=True)
        assert ids(event_admin.listed("/events", *wanted, sort=sort)) == expected
        found: list[str] = []
        while len(found) < len(expected):
            more = {"marker": found[-1]} if found else {}
            found += ids(event_admin.listed("/events", *wanted, sort=sort, limit=3, **more))
        assert found == expected

    def test_a_marker_must_be_one_that_is_seen(self, event_member: EventClient) -> None:
        words = fault_of(event_member.ask("GET", "/events?marker=m3"), 400)
        assert words == "Marker m3 not found."


class TestTypes:
    def test_all_of_them(self, event_admin: EventClient) -> None:
        assert event_admin.fetch("/event_types") == [CREATED, "sensor", "volume.exists"]
        fault_of(event_admin.ask("GET", f"/event_types/{CREATED}"), 404)

    def test_the_traits_of_one(self, event_admin: EventClient) -> None:
        assert event_admin.fetch(f"/event_types/{CREATED}/traits/") == [
            {"type": "string", "name": "name"}, {"type": "string", "name": "project_id"},
            {"type": "string", "name": "user_id"}, {"type": "integer", "name": "memory_mb"},
            {"type": "float", "name": "ratio"}, {"type": "datetime", "name": "launched_at"},
        ]  # fmt: skip
        assert event_admin.fetch("/event_types/nope/traits") == []

    def test_the_values_of_one(self, event_admin: EventClient) -> None:
        path = "/event_types/sensor/traits/memory_mb"
        assert event_admin.fetch(path) == [
            {"name": "memory_mb", "value": "1024", "type": "integer"}
        ]
        assert event_admin.fetch("/event_types/sensor/traits/nope") == []
        fault_of(event_admin.ask("GET", f"{path}?limit=1"), 400)

    def test_what_is_cut_says_so(self, event_admin: EventClient, settings: Any) -> None:
        for path in ("", f"/{CREATED}/traits", f"/{CREATED}/traits/user_id"):
            settings.TELEMETRY_CLASSIC_MAX_LIMIT = 10
            assert "X-Truncated" not in event_admin.ask("GET", f"/event_types{path}")
            settings.TELEMETRY_CLASSIC_MAX_LIMIT = 1
            answer = event_admin.ask("GET", f"/event_types{path}")
            assert (len(answer.json()), answer["X-Truncated"]) == (1, "true"), path
