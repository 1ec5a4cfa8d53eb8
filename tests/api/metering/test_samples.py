"""Samples: both lists, one by its id, the simple and the complex query."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meters.metering_api.ids import message_id
from meters.wire import STORED
from tests.api.alarming.people import fault_of
from tests.api.metering.people import ClassicClient, asked, measured, text
from tests.support.batches import resource

VM = resource("vm-1", metadata={"size": 5, "name": "42", "on": True, "none": None,
                                "flavor": {"name": "m1"}, "disks": ["a", "b"]})  # fmt: skip
OTHER = resource("vm-2", project_id="p2", user_id="u2")


@pytest.fixture(autouse=True)
def _measured() -> None:
    measured((VM, "cpu", 1.0, 0), (VM, "memory", 512.0, 60), (VM, "cpu", 2.5, 60))
    measured((OTHER, "cpu", 9.0, 30))


def volumes(found: Any) -> list[float]:
    return [one.get("volume", one.get("counter_volume")) for one in found]


class TestLists:
    def test_a_sample_in_the_newer_form(self, member: ClassicClient) -> None:
        found = member.listed("/samples", ("meter", "eq", "memory"))
        assert found == [
            {
                "id": found[0]["id"], "meter": "memory", "type": "gauge", "unit": "B",
                "volume": 512.0, "user_id": "u1", "project_id": "p1", "resource_id": "vm-1",
                "source": "openstack", "timestamp": text(60), "recorded_at": text(60),
                "metadata": {"disks": "['a', 'b']", "flavor.name": "m1", "name": "42",
                             "none": "None", "on": "True", "size": "5"},
            }
        ]  # fmt: skip

    def test_a_sample_in_the_older_form(self, member: ClassicClient) -> None:
        (new, _) = member.listed("/samples", ("meter", "eq", "cpu"))
        (old, _) = member.listed("/meters/cpu")
        assert list(old) == [
            "source", "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id",
            "project_id", "resource_id", "timestamp", "recorded_at", "resource_metadata",
            "message_id",
        ]  # fmt: skip
        assert (old["message_id"], old["resource_metadata"]) == (new["id"], new["metadata"])

    def test_the_newest_first_and_of_one_time_in_the_order_of_their_making(
        self, admin: ClassicClient
    ) -> None:
        measured((resource("vm-0"), "cpu", 8.0, 60))
        assert volumes(admin.listed("/meters/cpu")) == [2.5, 8.0, 9.0, 1.0]

    def test_a_list_that_is_cut_says_so_and_leads_on(self, admin: ClassicClient) -> None:
        path, found = f"/samples?{asked(('meter', 'eq', 'cpu'), limit=1)}", []
        while path:
            answer = admin.ask("GET", path)
            found += volumes(answer.json())
            assert ("X-Truncated" in answer) == ("Link" in answer)
            link = answer.headers.get("Link", "")
            assert link == "" or link.endswith('>; rel="next"')
            path = link[1:].partition(">")[0].partition("/metering/v2")[2]
        assert found == [2.5, 9.0, 1.0]

    def test_there_are_as_many_as_the_settings_say(
        self, admin: ClassicClient, settings: Any
    ) -> None:
        settings.TELEMETRY_CLASSIC_DEFAULT_LIMIT = 2
        settings.TELEMETRY_CLASSIC_MAX_LIMIT = 3
        assert len(admin.listed("/samples")) == 2
        assert len(admin.listed("/samples", limit=100)) == 3

    def test_an_unknown_meter_has_none(self, member: ClassicClient) -> None:
        assert member.listed("/meters/none") == []

    def test_a_name_may_hold_slashes(self, member: ClassicClient) -> None:
        measured((VM, "a/b", 3.0, 0), (VM, "a%20b", 4.0, 0))
        assert volumes(member.listed("/meters/a/b")) == [3.0]
        assert volumes(member.listed("/meters/a%2Fb")) == [3.0]
        assert volumes(member.listed("/meters/a%252Fb")) == [3.0]
        assert volumes(member.listed("/meters/a%2520b")) == [4.0]
        (row,) = member.listed("/meters/a/b/statistics")
        assert row["sum"] == 3.0

    def test_the_query_may_stand_in_the_body(self, member: ClassicClient) -> None:
        body = {"q": [{"field": "meter", "op": "eq", "value": "cpu"}], "limit": 1}
        for content_type in ("application/json", "text/javascript; charset=UTF-8"):
            answer = member.ask("GET", "/samples", body, content_type=content_type)
            assert volumes(answer.json()) == [2.5]

    def test_a_body_in_chunks_is_not_taken_for_none(self, member: ClassicClient) -> None:
        """Or everything would be the answer to a query."""
        for method, path in (("GET", "/samples"), ("POST", "/meters/cpu")):
            answer = member.ask(method, path, Transfer_Encoding="chunked")
            assert "Content-Length" in fault_of(answer, 411)

    def test_a_query_too_long_for_an_address_is_cut_without_one(
        self, member: ClassicClient
    ) -> None:
        name = "x" * 10_000
        body = {"q": [{"field": f"metadata.{name}", "value": "None"}], "limit": 1}
        answer = member.ask("GET", "/samples", body)
        assert (len(answer.json()), answer["X-Truncated"]) == (1, "true")
        assert "Link" not in answer

    def test_what_is_said_of_a_long_text_is_no_longer_than_it_must_be(
        self, member: ClassicClient
    ) -> None:
        body = {"q": [{"field": f"metadata.{'x' * 100_000}", "op": "ne", "value": "x"}]}
        words = fault_of(member.ask("GET", "/samples", body), 400)
        assert len(words) < 6_000


class TestOne:
    def test_by_its_id(self, member: ClassicClient) -> None:
        for one in member.listed("/samples"):
            assert member.fetch(f"/samples/{one['id']}") == one
            assert member.listed("/samples", ("message_id", "eq", one["id"])) == [one]

    NOWHERE = [
        "nope", "a/b", message_id(1, 5), message_id(2**40, 0), message_id(1, 2**62),
        message_id(2**58 - 1, STORED.latest_us),
    ]  # fmt: skip

    def test_there_is_none(self, member: ClassicClient) -> None:
        for ident in self.NOWHERE:
            words = f"Sample {ident} Not Found"
            assert fault_of(member.ask("GET", f"/samples/{ident}"), 404) == words
            assert member.listed("/samples", ("message_id", "eq", ident)) == []
            query = {"filter": json.dumps({"=": {"message_id": ident}})}
            assert member.ask("POST", "/query/samples", query).json() == []

    def test_it_takes_no_arguments(self, member: ClassicClient) -> None:
        ident = member.listed("/samples")[0]["id"]
        answer = member.ask("GET", f"/samples/{ident}?limit=1")
        assert fault_of(answer, 400) == 'Unknown argument: "limit"'

    def test_of_a_resource_that_was_another_s_then(
        self, member: ClassicClient, stranger: ClassicClient
    ) -> None:
        old = member.listed("/samples", limit=1)[0]
        measured((resource("vm-1", project_id="p2"), "cpu", 7.0, 600))
        assert member.fetch(f"/samples/{old['id']}") == old
        fault_of(stranger.ask("GET", f"/samples/{old['id']}"), 404)
        assert volumes(stranger.listed("/meters/cpu")) == [7.0, 9.0]
        assert volumes(member.listed("/meters/cpu")) == [2.5, 1.0]


class TestSimpleQuery:
    FITTING = [
        ([("resource", "eq", "vm-1")], 3),
        ([("resource_id", "eq", "vm-1"), ("meter", "eq", "cpu")], 2),
        ([("resource_id", "eq", "vm-1"), ("resource_id", "eq", "x")], 0),
        ([("user_id", "eq", "u1")], 3),
        ([("user", "eq", "None")], 0),
        ([("project", "eq", "p1")], 3),
        ([("source", "eq", "openstack")], 3),
        ([("source", "eq", "other")], 0),
        ([("timestamp", "ge", text(60))], 2),
        ([("timestamp", "gt", text(60))], 0),
        ([("timestamp", "lt", text(60))], 1),
        ([("timestamp", "le", text(60)), ("timestamp", "gt", text(0))], 2),
        ([("timestamp", "le", text(60)), ("timestamp", "lt", text(0.000001))], 1),
        ([("timestamp", "ge", text(0)), ("timestamp", "ge", text(60))], 2),
        ([("timestamp", "gt", text(60)), ("search_offset", "eq", "2")], 3),
        ([("metadata.size", "eq", "5")], 3),
        ([("metadata.size", "eq", "5", "integer")], 3),
        ([("metadata.size", "eq", "5", "float")], 3),
        ([("metadata.size", "eq", "5", "string")], 0),
        ([("resource_metadata.name", "eq", "42", "string")], 3),
        ([("metadata.name", "eq", "42", "integer")], 0),
        ([("metadata.name", "eq", "42")], 3),
        ([("metadata.name", "eq", "'42'")], 3),
        ([("metadata.on", "eq", "True")], 3),
        ([("metadata.on", "eq", "true")], 0),
        ([("metadata.on", "eq", "yes", "boolean")], 3),
        ([("metadata.none", "eq", "None")], 3),
        ([("metadata.never", "eq", "None")], 3),
        ([("metadata.size", "eq", "None")], 0),
        ([("metadata.flavor.name", "eq", "m1")], 3),
        ([("metadata.disks[1]", "eq", "b")], 3),
        ([("metadata.disks[2]", "eq", "b")], 0),
    ]

    def test_all_terms_must_hold(self, member: ClassicClient) -> None:
        for terms, count in self.FITTING:
            assert len(member.listed("/samples", *terms)) == count

    def test_a_thousand_conditions_on_one_field_are_one_or_nothing(
        self, member: ClassicClient
    ) -> None:
        """PostgreSQL took longer for them than it may."""
        for same, count in ((True, 3), (False, 0)):
            names = ["vm-1" if same else f"vm-{n}" for n in range(999)]
            body = {"q": [{"field": "resource", "value": name} for name in names[:100]]}
            answer = member.ask("GET", "/samples", body)
            assert len(answer.json()) == count
            query = {"and": [{"=": {"resource_id": name}} for name in names]}
            answer = member.ask("POST", "/query/samples", {"filter": json.dumps(query)})
            assert len(answer.json()) == count

    def test_there_are_so_many_conditions_at_most(self, member: ClassicClient) -> None:
        """Of different fields each costs: a thousand took half a minute to find nothing."""
        body = {"q": [{"field": f"metadata.k{n}", "value": "None"} for n in range(101)]}
        words = fault_of(member.ask("GET", "/samples", body), 400)
        assert words == "q has more than 100 entries"
        body["q"].pop()
        assert len(member.ask("GET", "/samples", body).json()) == 3

    def test_a_zone_is_minded(self, member: ClassicClient) -> None:
        later = text(3600 + 30) + "+01:00"
        assert volumes(member.listed("/meters/cpu", ("timestamp", "ge", later))) == [2.5]

    def test_metadata_are_those_of_each_sample_s_time(self, member: ClassicClient) -> None:
        measured((resource("vm-1", metadata={"size": 6}), "cpu", 7.0, 600))
        assert volumes(member.listed("/meters/cpu", ("metadata.size", "eq", "6"))) == [7.0]
        assert volumes(member.listed("/meters/cpu", ("metadata.size", "eq", "5"))) == [2.5, 1.0]

    def test_keys_on_the_way_may_hold_dots(self, member: ClassicClient) -> None:
        nested = {"a": {"b.c": {"$d.e": "x"}}}
        measured((resource("vm-1", metadata=nested), "cpu", 7.0, 600))
        [one] = member.listed("/meters/cpu", ("metadata.a.b.c.$d.e", "eq", "x"))
        assert one["resource_metadata"] == {"a.b:c:$d:e": "x"}
        assert not member.listed("/meters/cpu", ("metadata.a.b.c.$d", "eq", "x"))
        assert not member.listed("/meters/cpu", ("metadata." + ".".join("abcdefghi"), "eq", "x"))

    REFUSED = [
            ("bogus=1", 'Unknown argument: "bogus"'),
            ("limit=0", "Limit must be positive"),
            ("limit=x", "Invalid input for field/attribute limit. Value: 'x'. unable to convert"),
            ("limit=1&limit=2", "given more than once"),
            ("q[0].field=meter&q[0].value=a&q[0].value=b", "given more than once"),
            ("marker=nope", "Marker nope not found."),
            ("q=foo", 'Unknown argument: "q"'),
            (
                asked(("harpoon", "eq", "x")),
                'Unknown argument: "harpoon": unrecognized field in query: '
                "[<Query 'harpoon' eq 'x' Unset>], valid keys: ['message_id', 'meter', 'project', "
                "'resource', 'search_offset', 'source', 'timestamp', 'user']",
            ),
            (asked(("limit", "eq", "1")), "unrecognized field in query"),
            (asked(("project_id", "ne", "p1")), "unimplemented operator for project_id"),
            (asked(("meter", "foo", "x")), "unimplemented operator for meter"),
            (asked(("meter", "eq", "")), "Mandatory field missing."),
            ("q.field=meter", "Mandatory field missing."),
            (asked(("metadata.a", "eq", "abc", "integer")),
             "Unable to convert the value abc to the expected data type integer."),
            (asked(("metadata.a", "eq", "inf", "float")), "Unable to convert the value inf"),
            (asked(("metadata.a", "eq", "x", "blob")),
             "The data type blob is not supported. The supported data type list is: "
             "['integer', 'float', 'string', 'boolean', 'datetime']"),
            (asked(("metadata." + "a." * 20 + "b", "eq", "x")), "more than 16 parts"),
        ]  # fmt: skip

    def test_what_is_wrong_is_said(self, member: ClassicClient) -> None:
        for query, words in self.REFUSED:
            assert words in fault_of(member.ask("GET", f"/samples?{query}"), 400)


class TestComplexQuery:
    def found(self, client: ClassicClient, query: Any = None, **more: Any) -> list[float]:
        body = more if query is None else {"filter": json.dumps(query), **more}
        answer = client.ask("POST", "/query/samples", body)
        assert answer.status_code == 200, answer.content
        return volumes(answer.json())

    FILTERS = [
        ({"=": {"meter": "cpu"}}, [2.5, 9.0, 1.0]),
        ({"=": {"counter_volume": 2.5}}, [2.5]),
        ({"=>": {"volume": "2.5"}}, [2.5, 512.0, 9.0]),
        ({"and": [{"=": {"meter": "cpu"}}, {">": {"volume": 1}}]}, [2.5, 9.0]),
        ({"OR": [{"=": {"volume": 1}}, {"=": {"project": "p2"}}]}, [9.0, 1.0]),
        ({"not": {"=": {"resource_id": "vm-1"}}}, [9.0]),
        ({"in": {"user_id": ["u2", "u3"]}}, [9.0]),
        ({"=": {"source": "openstack"}}, [2.5, 512.0, 9.0, 1.0]),
        ({"=~": {"resource": "-[12]$"}}, [2.5, 512.0, 9.0, 1.0]),
        ({"=~": {"counter_name": "^me"}}, [512.0]),
        ({">": {"timestamp": text(30)}}, [2.5, 512.0]),
        ({"<": {"recorded_at": text(30)}}, [1.0]),
        ({"!=": {"timestamp": text(60)}}, [9.0, 1.0]),
        ({"=": {"metadata.size": 5}}, [2.5, 512.0, 1.0]),
        ({"=": {"metadata.size": "5"}}, []),
        ({"not": {"=": {"metadata.size": 5}}}, []),
        ({"not": {"=": {"metadata.size": 6}}}, [2.5, 512.0, 1.0]),
        ({"!=": {"metadata.name": "x"}}, [2.5, 512.0, 1.0]),
        ({"in": {"metadata.flavor.name": ["m1", "m2"]}}, [2.5, 512.0, 1.0]),
        ({"=": {"metadata.on": True}}, [2.5, 512.0, 1.0]),
        ({"=~": {"metadata.flavor.name": "^m"}}, [2.5, 512.0, 1.0]),
        ({"=": {"message_id": "nope"}}, []),
    ]

    def test_filters(self, admin: ClassicClient) -> None:
        for query, wanted in self.FILTERS:
            assert sorted(self.found(admin, query)) == sorted(wanted)

    ORDERS = [
        ([{"volume": "ASC"}], [1.0, 2.5, 9.0, 512.0]),
        ([{"meter": "asc"}, {"timestamp": "asc"}], [1.0, 9.0, 2.5, 512.0]),
        ([{"resource_id": "desc"}, {"volume": "desc"}], [9.0, 512.0, 2.5, 1.0]),
        ([{"timestamp": "asc"}, {"volume": "asc"}], [1.0, 9.0, 2.5, 512.0]),
    ]

    def test_orders(self, admin: ClassicClient) -> None:
        for order, wanted in self.ORDERS:
            assert self.found(admin, orderby=json.dumps(order)) == wanted

    def test_a_limit_may_be_a_text_and_cuts(self, admin: ClassicClient) -> None:
        answer = admin.ask("POST", "/query/samples", {"limit": "2"})
        assert len(answer.json()) == 2
        assert answer["X-Truncated"] == "true"
        by_volume = json.dumps([{"volume": "desc"}])
        answer = admin.ask("POST", "/query/samples", {"limit": 1, "orderby": by_volume})
        assert (volumes(answer.json()), answer["X-Truncated"]) == ([512.0], "true")

    def test_by_message_id(self, admin: ClassicClient) -> None:
        one = admin.listed("/samples", limit=1)[0]
        assert self.found(admin, {"=": {"message_id": one["id"]}}) == [one["volume"]]
        assert len(self.found(admin, {"!=": {"message_id": one["id"]}})) == 3

    def test_the_own_project_s_only(self, member: ClassicClient) -> None:
        assert sorted(self.found(member, {"=": {"meter": "cpu"}})) == [1.0, 2.5]
        for field in ("project", "project_id"):
            for leaf in ({"=": {field: "p2"}}, {"!=": {field: "p2"}}, {"in": {field: ["p2"]}}):
                body = {"filter": json.dumps({"or": [leaf, {"=": {"meter": "x"}}]})}
                words = fault_of(member.ask("POST", "/query/samples", body), 401)
                assert words == "Not Authorized to access project p2"

    REFUSED = [
            ({"bogus": 1}, "Unknown attribute for argument body: bogus"),
            ({"filter": {"=": {"meter": "x"}}}, "Wrong type"),
            ({"filter": "{"}, "Filter expression not valid:"),
            ({"filter": '{"=": {"resource_metadata.a": "x"}}'}, "Filter expression not valid:"),
            ({"filter": '{"and": [{"=": {"meter": "x"}}]}'}, "Filter expression not valid:"),
            ({"filter": '{"=": {"volume": true}}'}, "must be compared with a number"),
            ({"filter": '{"=": {"volume": "x"}}'}, "must be compared with a number"),
            ({"filter": '{"!=": {"volume": "nan"}}'}, "must be compared with a finite number"),
            ({"filter": '{"!=": {"volume": NaN}}'}, "must be compared with a finite number"),
            ({"filter": '{"<": {"metadata.a": 1e400}}'}, "must be compared with a finite number"),
            ({"filter": '{"in": {"meter": [-Infinity]}}'}, "must be compared with a finite number"),
            ({"filter": '{"=": {"metadata.\\ud800": "x"}}'}, "is no field that can be asked for"),
            ({"filter": '{"=": {"metadata.\\u0000": "x"}}'}, "is no field that can be asked for"),
            ({"filter": json.dumps({"in": {"volume": list(range(1001))}})}, "more than 1000 terms"),
            ({"filter": json.dumps({"or": [{"=~": {"type": "a"}}] * 21})}, "more than 20 patterns"),
            ({"filter": '{"=~": {"meter": "("}}'}, "pattern that can't be used"),
            ({"filter": '{"=~": {"meter": "(x{1,200}){1,200}"}}'}, "pattern that can't be used"),
            ({"filter": '{"=~": {"volume": "1"}}'}, "can't be compared so"),
            ({"filter": '{"=": {"timestamp": "nope"}}'}, "Failed to parse the timestamp value"),
            ({"orderby": '[{"metadata.a": "asc"}]'}, "Order-by expression not valid:"),
            ({"orderby": '[{"meter": "up"}]'}, "Order-by expression not valid:"),
            ({"limit": 0}, "Limit must be positive"),
            ({"limit": "x"}, "whole number"),
        ]  # fmt: skip

    def test_what_is_wrong_is_said(self, member: ClassicClient) -> None:
        for body, words in self.REFUSED:
            assert words in fault_of(member.ask("POST", "/query/samples", body), 400)

    def test_without_a_body(self, member: ClassicClient) -> None:
        words = fault_of(member.ask("POST", "/query/samples"), 400)
        assert words == 'Missing argument: "body"'
