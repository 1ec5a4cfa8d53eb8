"""Prometheus' reading API, by the requests that Grafana's data source makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meters.prometheus_api import finding, views
from meters.prometheus_api.answers import number
from meters.prometheus_api.urls import urlpatterns
from meters.store.write import store_batch
from tests.api.people import Client
from tests.api.world import World
from tests.support.batches import batch_of, resource

pytestmark = pytest.mark.django_db
BASE = "/prometheus/api/v1"
MINUTE = 60_000_000


def fetch(client: Client, path: str, **query: Any) -> Any:
    body = client.fetch(f"{BASE}/{path}", **query)
    assert body["status"] == "success"
    return body["data"]


def refused(client: Client, path: str, status: int = 400, **query: Any) -> str:
    answer = client.get(f"{BASE}/{path}", query)
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert body["status"] == "error"
    assert set(body) == {"status", "errorType", "error"}
    return f"{body['errorType']}: {body['error']}"


def at(world: World, minutes_before: float = 0) -> float:
    return (world.now_us - minutes_before * MINUTE) / 1e6


class TestQuery:
    def test_an_instant_gives_a_vector_with_labels(self, reader: Client, world: World) -> None:
        found = fetch(reader, "query", query='cpu{resource_id="vm-1"}', time=at(world))
        assert found == {
            "resultType": "vector",
            "result": [{
                "metric": {
                    "__name__": "cpu", "resource_id": "vm-1", "resource_type": "instance",
                    "project": "p1", "user_id": "u1", "display_name": "web", "vcpus": "2",
                    "on": "true",
                },
                "value": [at(world), "0"],
            }],
        }  # fmt: skip

    def test_the_instant_is_included_and_five_minutes_are_looked_back(
        self, reader: Client, world: World
    ) -> None:
        def sizes(minutes_before: float) -> list[Any]:
            moment = at(world, minutes_before)
            return list(fetch(reader, "query", query="disk_size * 1", time=moment)["result"])

        query = '{__name__="disk.size"}'
        for before, count in ((5, 1), (5.1, 0), (0.01, 1), (0, 0)):
            found = fetch(reader, "query", query=query, time=at(world, before))["result"]
            assert len(found) == count, before
        assert sizes(5) == []

    def test_a_label_that_a_series_was_written_with_counts_instead_of_the_resources(
        self, reader: Client, world: World
    ) -> None:
        scraped = resource("shop@one")
        for name in ("hits@user_id=5", "hits@resource_id=vm-1,user_id=7", "hits"):
            store_batch(batch_of((scraped, name, 1.0, world.now_us - MINUTE)))

        def found(query: str) -> list[tuple[str, str]]:
            result = fetch(reader, "query", query=query, time=at(world))["result"]
            return [(one["metric"]["resource_id"], one["metric"]["user_id"]) for one in result]

        assert found('hits{user_id="5"}') == [("shop@one", "5")]
        assert found('hits{resource_id="vm-1"}') == [("vm-1", "7")]
        assert found('{resource_id="vm-1",user_id="7"}') == [("vm-1", "7")]
        assert found('hits{resource_id="shop@one"}') == [("shop@one", "5"), ("shop@one", "u1")]
        assert found('hits{resource_id="shop@one",user_id="u1"}') == [("shop@one", "u1")]
        assert found('hits{user_id="6"}') == []

    def test_of_two_selectors_each_finds_its_own(self, reader: Client, world: World) -> None:
        query = 'cpu{resource_id="vm-1"} or {__name__=~"disk.*"}'
        found = fetch(reader, "query", query=query, time=at(world, 1))["result"]
        assert {one["metric"]["__name__"] for one in found} == {"cpu", "disk.size"}

    @pytest.mark.parametrize(
        ("query", "value"), [("1 + 1", "2"), ("time()", None), ("scalar(sum(cpu))", "100")]
    )
    def test_a_number_is_a_scalar(
        self, reader: Client, world: World, query: str, value: str | None
    ) -> None:
        found = fetch(reader, "query", query=query, time=at(world))
        assert found["resultType"] == "scalar"
        assert found["result"] == [at(world), value or number(at(world))]

    def test_now_is_usual_and_a_form_does_as_well(self, reader: Client, world: World) -> None:
        answer = reader.post(
            f"{BASE}/query", "query=vector(1)", content_type="application/x-www-form-urlencoded"
        )
        assert answer.json()["data"]["result"][0]["value"][1] == "1"
        assert (
            reader.post(f"{BASE}/query", "{}", content_type="application/json").status_code == 415
        )

    def test_too_many_parameters_are_bad_data(self, reader: Client) -> None:
        many = "&".join(["match[]=cpu"] * 2000)
        for answer in (
            reader.get(f"{BASE}/series?{many}"),
            reader.post(f"{BASE}/series", many, content_type="application/x-www-form-urlencoded"),
        ):
            assert answer.status_code == 400
            assert answer.json()["errorType"] == "bad_data"

    def test_a_range_gives_a_row_a_series(self, reader: Client, world: World) -> None:
        found = fetch(
            reader, "query_range", query='sum by (resource_type) (cpu)',
            start=at(world, 2), end=at(world), step="1m",
        )  # fmt: skip
        assert found["resultType"] == "matrix"
        instance, volume = found["result"]
        assert instance["metric"] == {"resource_type": "instance"}
        assert instance["values"] == [[at(world, age), str(age)] for age in (2, 1, 0)]
        assert volume["values"] == [[at(world), "100"]]

    def test_times_may_be_written_out(self, reader: Client, world: World) -> None:
        found = fetch(
            reader, "query_range", query="vector(1)", start="2026-11-20T10:00:00Z",
            end="2026-11-20T10:01:00+00:00", step=30.0,
        )  # fmt: skip
        [row] = found["result"]
        assert [value for _, value in row["values"]] == ["1", "1", "1"]

    @pytest.mark.parametrize(
        ("path", "query", "words"),
        [
            ("query", {}, 'invalid parameter "query": the expression is no PromQL'),
            ("query", {"query": "cpu[5m]"}, "is a range of values"),
            ("query", {"query": "sum("}, "is no PromQL"),
            ("query", {"query": "cpu", "time": "soon"}, "cannot parse 'soon' to a valid timestamp"),
            ("query", {"query": "cpu", "time": "1e300"}, "valid timestamp"),
            ("query", {"query": "cpu", "time": "2026-11-20T10:00:00"}, "valid timestamp"),
            ("query", {"query": "a\0b"}, "NUL"),
            ("query", {"query": r'{__name__="a\x00b"}'}, "NUL"),
            ("query", {"query": r'cpu{resource_id="a\x00b"}'}, "NUL"),
            ("query", {"query": "cpu", "time": "NaN"}, "valid timestamp"),
            ("query_range", {"query": "cpu", "start": 1, "end": 2, "step": "-1"}, "duration"),
            ("query_range", {"query": "cpu", "start": 1, "end": 2, "step": "NaN"}, "duration"),
            ("series", {"match[]": r'{user_id="a\u0000"}'}, "NUL"),
            ("format_query", {"query": "sum("}, "is no PromQL"),
            ("query_exemplars", {"query": "sum("}, "is no PromQL"),
            ("query_range", {"query": "cpu"}, 'invalid parameter "start": is missing'),
            ("query_range", {"query": "cpu", "start": 2, "end": 1, "step": 1}, "before start"),
            ("query_range", {"query": "cpu", "start": 1, "end": 2, "step": 0}, "positive duration"),
            ("query_range", {"query": "cpu", "start": 1, "end": 2, "step": "1x"}, "duration"),
            ("query_range", {"query": "cpu", "start": 1, "end": 11_001, "step": 1}, "11000 points"),
            ("series", {}, "no match[] parameter provided"),
            ("series", {"match[]": "sum(cpu)"}, "is no selector of series"),
            ("labels", {"limit": "x"}, "must be a whole number"),
        ],
    )
    def test_what_cannot_be_read_is_bad_data(
        self, reader: Client, path: str, query: dict[str, Any], words: str
    ) -> None:
        said = refused(reader, path, **query)
        assert said.startswith("bad_data: ")
        assert words in said

    def test_what_is_too_much_is_refused_with_the_limit(
        self, reader: Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = {"query": "cpu", "start": at(world, 9), "end": at(world), "step": 60}
        for place, name, most in (
            (finding, "MAX_SERIES", 1), (finding, "MAX_CANDIDATES", 1), (views, "MAX_CELLS", 10),
        ):  # fmt: skip
            with monkeypatch.context() as patch:
                patch.setattr(place, name, most)
                assert str(most) in refused(reader, "query_range", 422, **asked)
        said = refused(reader, "query", 422, query="cpu + on(project) cpu", time=at(world))
        assert "matches several elements" in said


class TestDiscovery:
    def test_series_labels_values_and_metadata(self, reader: Client, world: World) -> None:
        found = fetch(reader, "series", **{"match[]": '{__name__=~"disk.*",resource_id!=""}'})
        assert [one["__name__"] for one in found] == ["disk.size"]
        assert "display_name" in fetch(reader, "labels")
        assert "display_name" not in fetch(reader, "labels", **{"match[]": "disk_size"})
        assert fetch(reader, "label/__name__/values") == ["cpu", "disk.size"]
        assert fetch(reader, "label/resource_id/values") == ["vm-1", "vm-2"]
        assert fetch(reader, "label/nosuch/values") == []
        assert fetch(reader, "metadata", metric="cpu") == {
            "cpu": [{"type": "gauge", "help": "", "unit": "B"}]
        }
        assert fetch(reader, "status/buildinfo")["version"]

    def test_what_grafana_asks_beside_them(self, reader: Client, world: World) -> None:
        pretty = fetch(reader, "format_query", query="histogram_quantile(0.9,sum by(le)(cpu))")
        assert pretty == "histogram_quantile(0.9, sum by (le) (cpu))"
        span = {"start": at(world, 9), "end": at(world)}
        assert fetch(reader, "query_exemplars", query="cpu", **span) == []
        assert fetch(reader, "rules", type="alert") == {"groups": []}
        assert fetch(reader, "alerts") == {"alerts": []}

    def test_labels_of_the_newest_metrics_alone_are_told_as_such(
        self, reader: Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(finding, "MAX_CANDIDATES", 1)
        for path in ("labels", "label/resource_id/values"):
            [told] = reader.fetch(f"{BASE}/{path}")["warnings"]
            assert told == "only the newest 1 metrics were looked at: give a match[]"

    def test_a_limit_cuts_with_a_warning(self, reader: Client, world: World) -> None:
        body = reader.fetch(f"{BASE}/label/__name__/values", limit=1)
        assert body["data"] == ["cpu"]
        assert body["warnings"] == ["results truncated due to limit: 2 found"]


class TestWhoSeesWhat:
    def test_a_stranger_finds_his_own_and_the_operator_all(
        self, reader: Client, stranger: Client, admin: Client, world: World
    ) -> None:
        def values(client: Client) -> list[str]:
            found = fetch(client, "query", query="cpu", time=at(world))["result"]
            return sorted(one["value"][1] for one in found)

        assert (values(reader), values(stranger)) == (["0", "100"], ["55"])
        assert values(admin) == ["0", "100", "55", "7"]
        for path in ("labels", "label/__name__/values", "label/project/values", "metadata"):
            assert "CANARY" not in str(fetch(reader, path))

    def test_what_was_sold_keeps_its_past_to_itself(
        self, reader: Client, stranger: Client, world: World
    ) -> None:
        for age in range(10, 0, -1):
            sold = resource("vm-9", project_id="p1" if age > 5 else "p2")
            store_batch(batch_of((sold, "cpu", float(age), world.now_us - age * MINUTE)))
        query = 'sum_over_time(cpu{resource_id="vm-9"}[1h])'
        [one] = fetch(stranger, "query", query=query, time=at(world))["result"]
        assert one["value"][1] == "15"
        assert fetch(reader, "query", query=query, time=at(world))["result"] == []

    @pytest.mark.parametrize("route", [str(one.pattern) for one in urlpatterns])
    def test_nobody_gets_in_and_a_token_must_be_good_for_reading(
        self, as_: Callable[..., Client], world: World, route: str
    ) -> None:
        path = route.removeprefix("api/v1/").replace("<str:name>", "x").replace("^.*$", "nosuch")
        assert refused(as_("anonymous"), path, 401).startswith("unauthorized: ")
        assert refused(as_("member", "ingest"), path, 403).startswith("forbidden: ")
        assert as_("nobody").get(f"{BASE}/{path}").status_code == 403

    def test_another_route_is_none(self, reader: Client) -> None:
        assert refused(reader, "nosuch", 404).startswith("not_found: ")
        assert reader.put(f"{BASE}/query").status_code == 405


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"), (3.0, "3"), (-0.0, "-0"), (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"), (float("nan"), "NaN"), (float("-inf"), "-Inf"), (1 / 3, repr(1 / 3)),
    ],
)  # fmt: skip
def test_values_are_written_without_exponents(value: float, text: str) -> None:
    assert number(value) == text
