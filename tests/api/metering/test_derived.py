"""Meters of classic clouds that nobody stores: samples, statistics and lists of what is derived."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from meters.derived import definitions
from meters.derived.definitions import Definitions
from meters.metering_api import lately
from meters.metering_api.ids import message_id
from meters.models import Metric
from tests.api.metering.people import ClassicClient, at, measured, sample, text
from tests.support.batches import resource
from tests.support.counting import counted
from tests.support.storing import pack

VM = resource("vm-1", metadata={"cpu_number": 2, "display_name": "web"})
OTHER = resource("vm-2", project_id="p2", user_id="u2", metadata={"vcpus": 1})
NIC = resource("nic-1", metadata={})


@pytest.fixture(autouse=True)
def _measured() -> None:
    """Of the time of two processors a half, then a quarter; and one that is idle to the end."""
    counted(
        (VM, "cpu", 0.0, at(0)), (VM, "cpu", 60e9, at(60)), (VM, "cpu", 90e9, at(120)),
        (OTHER, "cpu", 5e9, at(30)), (OTHER, "cpu", 5e9, at(90)),
    )  # fmt: skip
    measured((VM, "memory", 512.0, 60))


def volumes(found: Any) -> list[float]:
    return [pytest.approx(one.get("volume", one.get("counter_volume"))) for one in found]


def complex_query(client: ClassicClient, filter: Any, **more: Any) -> Any:
    answer = client.ask("POST", "/query/samples", {"filter": json.dumps(filter), **more})
    assert answer.status_code == 200, answer.content
    return answer.json()


class TestSamples:
    def test_a_derived_sample_looks_like_any_other(self, member: ClassicClient) -> None:
        found = member.listed("/meters/cpu_util")
        assert [
            (one["timestamp"], one["counter_volume"]) for one in found
        ] == [(text(120), pytest.approx(25.0)), (text(60), pytest.approx(50.0))]  # fmt: skip
        cpu = Metric.objects.get(resource__original_id="vm-1", name="cpu").pk
        assert found[0] == {
            "source": "openstack", "counter_name": "cpu_util", "counter_type": "gauge",
            "counter_unit": "%", "counter_volume": pytest.approx(25.0), "user_id": "u1",
            "project_id": "p1", "resource_id": "vm-1", "timestamp": text(120),
            "recorded_at": text(120),
            "resource_metadata": {"cpu_number": "2", "display_name": "web"},
            "message_id": found[0]["message_id"],
        }  # fmt: skip
        assert found[0]["message_id"] != message_id(cpu, at(120))

    def test_one_by_its_id(self, member: ClassicClient, stranger: ClassicClient) -> None:
        (one, _) = member.listed("/samples", ("meter", "eq", "cpu_util"))
        assert member.fetch(f"/samples/{one['id']}") == one
        assert member.listed("/samples", ("message_id", "eq", one["id"])) == [one]
        assert stranger.ask("GET", f"/samples/{one['id']}").status_code == 404

    def test_a_list_leads_on(self, admin: ClassicClient) -> None:
        found, marker = [], {}
        for _ in range(3):
            (one,) = admin.listed("/meters/cpu_util", limit=1, **marker)
            marker = {"marker": one["message_id"]}
            found.append((one["resource_id"], one["timestamp"]))
        assert found == [("vm-1", text(120)), ("vm-2", text(90)), ("vm-1", text(60))]
        assert admin.listed("/meters/cpu_util", **marker) == []

    @pytest.mark.parametrize("few", [0, 1, 2])
    def test_of_very_many_too(
        self, admin: ClassicClient, monkeypatch: pytest.MonkeyPatch, few: int
    ) -> None:
        """As if there were too many series to look at all of them."""
        monkeypatch.setattr(lately, "FEW", few)
        assert volumes(admin.listed("/meters/cpu_util")) == [25.0, 0.0, 50.0]
        assert volumes(admin.listed("/meters/cpu_util", limit=2)) == [25.0, 0.0]

    @pytest.mark.parametrize(
        ("terms", "expected"),
        [
            ([("resource_id", "eq", "vm-1")], [25.0, 50.0]),
            ([("resource_id", "eq", "vm-2")], [0.0]),
            ([("metadata.display_name", "eq", "web")], [25.0, 50.0]),
            ([("metadata.display_name", "eq", "db")], []),
            ([("project", "eq", "p2")], [0.0]),
            ([("timestamp", "gt", text(60))], [25.0, 0.0]),
            ([("timestamp", "ge", text(60)), ("timestamp", "lt", text(90))], [50.0]),
            ([("timestamp", "lt", text(60))], []),
        ],
    )
    def test_the_simple_query_chooses(
        self, admin: ClassicClient, terms: list[tuple[str, ...]], expected: list[float]
    ) -> None:
        assert volumes(admin.listed("/meters/cpu_util", *terms)) == expected

    @pytest.mark.parametrize(
        ("filter", "expected"),
        [
            ({"=": {"meter": "cpu_util"}}, [25.0, 0.0, 50.0]),
            ({"and": [{"=": {"counter_name": "cpu_util"}}, {">": {"volume": 30}}]}, [50.0]),
            ({"in": {"meter": ["cpu_util", "memory"]}}, [25.0, 0.0, 512.0, 50.0]),
            ({"or": [{"=": {"meter": "cpu_util"}}, {"=": {"meter": "memory"}}]},
             [25.0, 0.0, 512.0, 50.0]),
            ({"and": [{"not": {"=": {"meter": "cpu_util"}}}, {"=": {"resource": "vm-2"}}]},
             [5e9, 5e9]),
            ({"=": {"resource": "vm-2"}}, [5e9, 5e9]),
        ],
    )  # fmt: skip
    def test_the_complex_query_finds_derived_meters_by_name(
        self, admin: ClassicClient, filter: Any, expected: list[float]
    ) -> None:
        assert volumes(complex_query(admin, filter)) == expected

    def test_it_sorts_them(self, admin: ClassicClient) -> None:
        found = complex_query(
            admin, {"=": {"meter": "cpu_util"}}, orderby=json.dumps([{"volume": "asc"}])
        )
        assert volumes(found) == [0.0, 25.0, 50.0]

    def test_who_names_no_meter_gets_what_was_measured(self, admin: ClassicClient) -> None:
        assert {one["meter"] for one in admin.listed("/samples")} == {"cpu", "memory"}

    def test_one_sample_gives_none(self, member: ClassicClient) -> None:
        counted((NIC, "network.incoming.bytes", 5.0, at(0)), unit="B")
        assert member.listed("/meters/network.incoming.bytes.rate") == []

    def test_a_gauge_of_that_name_is_something_else(self, member: ClassicClient) -> None:
        measured((NIC, "network.incoming.bytes", 5.0, 0), (NIC, "network.incoming.bytes", 9.0, 60))
        assert member.listed("/meters/network.incoming.bytes.rate") == []


class TestStored:
    """Where something is stored under the name, that is what there is, and nothing else."""

    @pytest.fixture(autouse=True)
    def _stored(self) -> None:
        measured((OTHER, "cpu_util", 77.0, 60))

    def test_stored_samples_win(self, admin: ClassicClient) -> None:
        assert volumes(admin.listed("/meters/cpu_util")) == [25.0, 77.0, 50.0]
        rows = admin.listed("/meters/cpu_util/statistics", groupby="resource_id")
        found = {(row["groupby"]["resource_id"], row["unit"]): row["avg"] for row in rows}
        assert found == {("vm-1", "%"): pytest.approx(37.5), ("vm-2", "B"): 77.0}

    def test_also_where_the_time_has_none(self, admin: ClassicClient) -> None:
        terms = ("resource_id", "eq", "vm-2"), ("timestamp", "gt", text(60))
        assert admin.listed("/meters/cpu_util", *terms) == []

    def test_a_meter_is_listed_once(self, admin: ClassicClient) -> None:
        found = admin.listed("/meters", ("resource_id", "eq", "vm-2"))
        assert [(one["name"], one["unit"]) for one in found] == [
            ("cpu", "ns"), ("cpu.delta", "ns"), ("cpu_util", "B"),
        ]  # fmt: skip
        (only,) = admin.listed("/resources", ("resource_id", "eq", "vm-2"))
        links = [link["rel"] for link in only["links"]]
        assert links == ["self", "cpu", "cpu_util", "cpu.delta"]


class TestStatistics:
    PATH = "/meters/cpu_util/statistics"

    def test_over_everything(self, member: ClassicClient) -> None:
        (row,) = member.listed(self.PATH)
        assert row == {
            "groupby": None, "unit": "%", "min": pytest.approx(25.0), "max": pytest.approx(50.0),
            "avg": pytest.approx(37.5), "sum": pytest.approx(75.0), "count": 2, "duration": 60.0,
            "duration_start": text(60), "duration_end": text(120), "period": 0,
            "period_start": text(60), "period_end": text(120),
        }  # fmt: skip

    @pytest.mark.parametrize("is_packed", [False, True])
    def test_the_first_sample_of_a_time_is_made_with_the_one_before_it(
        self, member: ClassicClient, is_packed: bool
    ) -> None:
        if is_packed:
            pack()
        (row,) = member.listed(self.PATH, ("timestamp", "ge", text(61)))
        assert (row["count"], row["avg"]) == (1, pytest.approx(25.0))

    @pytest.mark.parametrize(("before_s", "count"), [(3_600, 1), (86_400, 1), (86_401, 0)])
    def test_which_may_be_a_day_before(
        self, member: ClassicClient, before_s: int, count: int
    ) -> None:
        counted(
            (NIC, "network.incoming.bytes", 0.0, at(120 - before_s)),
            (NIC, "network.incoming.bytes", 8.0 * before_s, at(120)), unit="B",
        )  # fmt: skip
        path = "/meters/network.incoming.bytes.rate/statistics"
        for terms in ((), (("timestamp", "gt", text(119)),)):
            rows = member.listed(path, *terms)
            assert [(row["avg"], row["unit"], row["count"]) for row in rows] == (
                [(8.0, "B/s", 1)] if count else []
            )

    def test_groups_and_periods(self, admin: ClassicClient) -> None:
        rows = admin.listed(self.PATH, groupby=["project_id", "resource_id"], period=60)
        found = [(row["period_start"], row["groupby"]["project_id"], row["avg"]) for row in rows]
        assert found == [
            (text(60), "p1", pytest.approx(50.0)), (text(60), "p2", 0.0),
            (text(120), "p1", pytest.approx(25.0)),
        ]  # fmt: skip

    def test_groups_by_metadata(self, admin: ClassicClient) -> None:
        rows = admin.listed(self.PATH, groupby="resource_metadata.display_name")
        found = {row["groupby"]["resource_metadata.display_name"]: row["count"] for row in rows}
        assert found == {"web": 2, None: 1}

    def test_selected_aggregates(self, admin: ClassicClient) -> None:
        (row,) = admin.listed(
            self.PATH, aggregate__func=["cardinality", "max"], aggregate__param="resource_id"
        )
        assert row["aggregate"] == {"cardinality/resource_id": 2.0, "max": pytest.approx(50.0)}

    def test_a_counter_that_begins_anew_has_grown_from_nothing(self, member: ClassicClient) -> None:
        counted((VM, "cpu", 24e9, at(180)))
        (row,) = member.listed(self.PATH, ("timestamp", "gt", text(120)))
        assert row["avg"] == pytest.approx(20.0)
        (row,) = member.listed("/meters/cpu.delta/statistics")
        assert (row["count"], row["sum"], row["unit"]) == (2, 90e9, "ns")

    def test_a_change_of_processors_counts_from_its_time_on(self, member: ClassicClient) -> None:
        larger = resource("vm-1", metadata={"cpu_number": 4, "display_name": "web"})
        counted((larger, "cpu", 210e9, at(180)))
        assert volumes(member.listed("/meters/cpu_util")) == [50.0, 25.0, 50.0]

    def test_a_scale_without_value_leaves_its_samples_out(self, member: ClassicClient) -> None:
        broken = resource("vm-1", metadata={"cpu_number": "two"})
        counted((broken, "cpu", 210e9, at(180)))
        assert volumes(member.listed("/meters/cpu_util")) == [25.0, 50.0]

    def test_the_other_meters(self, member: ClassicClient) -> None:
        disk = resource("vm-1-vda", metadata={"disk_name": "vda"})
        for place, meter in enumerate(("disk.device.read.requests", "disk.write.bytes"), start=1):
            unit = "request" if meter.endswith("requests") else "B"
            counted((disk, meter, 0.0, at(0)), (disk, meter, 10.0 * place, at(10)), unit=unit)
            (row,) = member.listed(f"/meters/{meter}.rate/statistics")
            assert (row["avg"], row["unit"]) == (float(place), f"{unit}/s")


class TestLists:
    def test_meters_name_what_is_derived_behind_its_source(self, member: ClassicClient) -> None:
        found = member.listed("/meters")
        assert [(one["name"], one["type"], one["unit"]) for one in found] == [
            ("cpu", "cumulative", "ns"), ("cpu_util", "gauge", "%"), ("cpu.delta", "delta", "ns"),
            ("memory", "gauge", "B"),
        ]  # fmt: skip
        assert found[1]["meter_id"] == "dm0tMStjcHVfdXRpbA=="
        assert {(one["resource_id"], one["project_id"]) for one in found} == {("vm-1", "p1")}

    def test_each_once_where_resources_do_not_matter(self, admin: ClassicClient) -> None:
        found = admin.listed("/meters", unique="true")
        assert [one["name"] for one in found] == ["cpu", "cpu_util", "cpu.delta", "memory"]

    @pytest.mark.parametrize("unique", ["true", "false"])
    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_pages_of_meters_lose_none(self, admin: ClassicClient, limit: int, unique: str) -> None:
        whole = admin.listed("/meters", unique=unique)
        found: list[Any] = []
        while len(found) < len(whole):
            marker = {"marker": found[-1]["meter_id"]} if found else {}
            page = admin.listed("/meters", limit=limit, unique=unique, **marker)
            assert page
            found += page
        assert found == whole

    def test_a_foreign_derived_meter_is_no_marker(
        self, stranger: ClassicClient, member: ClassicClient
    ) -> None:
        marker = member.listed("/meters")[1]["meter_id"]
        assert stranger.ask("GET", f"/meters?marker={marker}").status_code == 400

    def test_a_resource_links_to_them(self, member: ClassicClient) -> None:
        links = member.fetch("/resources/vm-1")["links"]
        assert [one["rel"] for one in links] == ["self", "cpu", "cpu_util", "cpu.delta", "memory"]
        href = links[2]["href"].partition("/metering/v2")[2]
        assert volumes(member.fetch(href)) == [25.0, 50.0]


class TestOwners:
    def test_another_projects_are_not_seen(self, stranger: ClassicClient) -> None:
        found = stranger.listed("/meters/cpu_util")
        assert [one["resource_id"] for one in found] == ["vm-2"]
        assert stranger.listed("/meters/cpu_util", ("resource_id", "eq", "vm-1")) == []

    def test_nothing_is_made_of_two_owners_samples(
        self, member: ClassicClient, stranger: ClassicClient, admin: ClassicClient
    ) -> None:
        moved = resource("vm-1", project_id="p2", metadata={"cpu_number": 2})
        counted((moved, "cpu", 900e9, at(180)), (moved, "cpu", 960e9, at(240)))
        terms = (("resource_id", "eq", "vm-1"),)
        assert volumes(member.listed("/meters/cpu_util", *terms)) == [25.0, 50.0]
        assert volumes(stranger.listed("/meters/cpu_util", *terms)) == [50.0]
        assert volumes(admin.listed("/meters/cpu_util", *terms)) == [50.0, 25.0, 50.0]

    def test_what_a_tenant_posts_of_a_foreign_resource_hides_nothing(
        self, member: ClassicClient, stranger: ClassicClient
    ) -> None:
        stranger.posted(sample(counter_name="cpu_util", resource_id="vm-1", counter_volume=1))
        assert volumes(member.listed("/meters/cpu_util")) == [25.0, 50.0]


def test_what_was_posted_is_derived_of_too(member: ClassicClient) -> None:
    for seconds, volume in ((0, 0), (10, 5e9)):
        member.posted(sample(
            counter_name="cpu", counter_type="cumulative", counter_unit="ns", resource_id="r1",
            counter_volume=volume, timestamp=text(seconds),
            resource_metadata={"cpu_number": "2"},
        ))  # fmt: skip
    found = member.listed("/meters/cpu_util", ("resource_id", "eq", "r1"))
    assert volumes(found) == [25.0]


def test_an_operators_pipeline_has_meters_of_its_own(
    member: ClassicClient, settings: Any, tmp_path: Path
) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("""
sources:
  - {name: cpus, meters: ["cp*"], sinks: [sink]}
sinks:
  - name: sink
    transformers:
      - name: rate_of_change
        parameters:
          source: {map_from: {name: "^(cpu)$"}}
          target: {map_to: {name: '\\1_seconds.rate'}, unit: s/s, type: gauge, scale: 1.0e-9}
    publishers: ["gnocchi://"]
""")
    settings.TELEMETRY_METER_PIPELINE = str(file)
    found = member.listed("/meters/cpu_seconds.rate")
    assert volumes(found) == [0.5, 1.0]
    assert found[0]["counter_unit"] == "s/s"
    assert volumes(member.listed("/meters/cpu_util")) == [25.0, 50.0]


@pytest.mark.parametrize("path", ["/meters/memory/statistics", "/meters/cpu", "/samples"])
def test_stored_meters_cost_no_question_more(
    member: ClassicClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    counts = []
    for known in (definitions.current(), Definitions([])):
        monkeypatch.setattr(definitions, "_current", lambda _, known=known: known)
        with CaptureQueriesContext(connection) as asked:
            member.listed(path)
        counts.append(len(asked))
    assert counts[0] == counts[1]
