"""Every command of `ceilometer`: what it prints is what the API holds.

Runs in the client's environment (`make compat SUITE=ceilometerclient`), in this process, by the
client's own entry point, with one endpoint and a token and without a Keystone.
"""

from __future__ import annotations

import json
import os
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from ceilometerclient import client as library
from ceilometerclient.shell import main
from ceilometerclient.v2 import shell

URL = os.environ["CEILOMETER_URL"]
TOKEN = os.environ["COMPAT_TOKEN"]
COMMANDS = {
    name.removeprefix("do_").replace("_", "-") for name in dir(shell) if name.startswith("do_")
}
ran: set[str] = set()
#: Of `tests.compat.cookies`.
COOKIE, KIND = "fea1b15a-1d47-4175-85a5-a4bb2c729240", "cookies_chocolate.chip"
BEGIN = (datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0, tzinfo=None)


class Refused(Exception):
    """A command ended with an error; its text is what it printed."""


class Table(list[dict[str, str]]):
    """Rows of what a command printed; `text` is all of it."""

    text = ""


@pytest.fixture
def run(capsys: Any) -> Any:
    def run(command: str, *words: str) -> Table:
        ran.add(command)
        capsys.readouterr()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                main(["--os-token", TOKEN, command, *words])
        except SystemExit as ended:
            printed = capsys.readouterr()
            if ended.code:
                raise Refused(printed.out + printed.err) from None
        return table(capsys.readouterr().out)

    return run


def table(text: str) -> Table:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    found = Table(dict(zip(cells[0], row, strict=False)) for row in cells[1:])
    found.text = text
    return found


def fields(shown: Table) -> dict[str, str]:
    """Of a table of properties."""
    return {row["Property"]: row["Value"] for row in shown}


def api(path: str) -> Any:
    answer = requests.get(f"{URL}/v2/{path}", headers={"X-Auth-Token": TOKEN}, timeout=30)
    answer.raise_for_status()
    return answer.json()


def at(minutes: int) -> str:
    return (BEGIN + timedelta(minutes=minutes)).isoformat()


@pytest.fixture(scope="module", autouse=True)
def samples() -> None:
    body = [
        {"counter_name": "apples", "counter_type": "gauge", "counter_unit": "item",
         "counter_volume": volume, "resource_id": "tree one", "project_id": "p1", "user_id": "u1",
         "timestamp": at(minutes), "resource_metadata": {"kind": "boskoop", "size": "5"}}
        for minutes, volume in ((0, 1), (10, 2), (20, 4))
    ]  # fmt: skip
    answer = requests.post(
        f"{URL}/v2/meters/apples?direct=1", json=body, headers={"X-Auth-Token": TOKEN}, timeout=30
    )
    assert answer.status_code == 201, answer.text


def test_meter_list(run: Any) -> None:
    (row,) = run("meter-list", "-q", "resource=tree one")
    (meter,) = api("meters?q.field=resource&q.value=tree one")
    assert (row["Name"], row["Type"], row["Unit"]) == ("apples", "gauge", "item")
    assert row["Resource ID"] == meter["resource_id"]
    (row,) = run("meter-list", "--unique", "True", "-l", "1")
    assert row["Resource ID"] == "None"


def test_sample_list_and_show(run: Any) -> None:
    listed = run("sample-list", "-q", "meter=apples;resource=tree one", "-l", "2")
    assert [row["Volume"] for row in listed] == ["4.0", "2.0"]
    shown = fields(run("sample-show", listed[0]["ID"]))
    sample = api(f"samples/{listed[0]['ID']}")
    assert (shown["volume"], shown["timestamp"]) == ("4.0", sample["timestamp"])
    of_meter = run("sample-list", "-m", "apples", "-q", f"timestamp>={at(10)}")
    assert [row["Volume"] for row in of_meter] == ["4.0", "2.0"]
    with pytest.raises(Refused, match="not found"):
        run("sample-show", "nope")


def test_sample_list_by_typed_metadata(run: Any) -> None:
    assert len(run("sample-list", "-q", "metadata.size=string::5")) == 3
    with pytest.raises(Refused, match="Unable to convert"):
        run("sample-list", "-q", "metadata.size=integer::abc")


def test_sample_create(run: Any) -> None:
    made = fields(
        run(
            "sample-create", "-r", "r1", "-m", "pears", "--meter-type", "delta", "--meter-unit",
            "item", "--sample-volume", "3.5", "--project-id", "p1", "--resource-metadata",
            json.dumps({"a": "b"}), "--direct", "True",
        )
    )  # fmt: skip
    assert (made["volume"], made["name"], made["source"]) == ("3.5", "pears", "p1:openstack")
    assert api(f"samples/{made['message_id']}")["metadata"] == {"a": "b"}


def test_sample_create_list(run: Any) -> None:
    body = [
        {"counter_name": name, "counter_type": "gauge", "counter_unit": "", "counter_volume": 1,
         "resource_id": "basket"} for name in ("plums", "figs")
    ]  # fmt: skip
    made = run("sample-create-list", json.dumps(body), "--direct", "True")
    assert {row["Name"] for row in made} == {"plums", "figs"}
    assert {one["rel"] for one in api("resources/basket")["links"]} == {"self", "plums", "figs"}


def test_statistics(run: Any) -> None:
    (row,) = run("statistics", "-m", "apples")
    assert (row["Max"], row["Avg"], row["Sum"], row["Count"]) == (
        "4.0", "2.3333333333333335", "7.0", "3",
    )  # fmt: skip
    rows = run("statistics", "-m", "apples", "-p", "600", "-q", f"timestamp>={at(0)}")
    assert [row["Sum"] for row in rows] == ["1.0", "2.0", "4.0"]
    (row,) = run(
        "statistics", "-m", "apples", "-g", "resource_id", "-a", "stddev", "-a",
        "cardinality<-user_id",
    )  # fmt: skip
    assert row["cardinality/user_id"] == "1.0"
    assert "tree one" in row["Group By"]


def test_resources(run: Any) -> None:
    listed = run("resource-list", "-q", "project=p1")
    assert "tree one" in {row["Resource ID"] for row in listed}
    shown = run("resource-show", "tree one")
    assert fields(shown)["project_id"] == "p1"
    assert "boskoop" in shown.text


def test_query_samples(run: Any) -> None:
    query = {"and": [{"=": {"meter": "apples"}}, {">": {"volume": 1}}]}
    listed = run(
        "query-samples", "-f", json.dumps(query), "-o", '[{"timestamp": "asc"}]', "-l", "2"
    )
    assert [row["Volume"] for row in listed] == ["2.0", "4.0"]


def test_capabilities(run: Any) -> None:
    text = run("capabilities").text
    assert "statistics:aggregation:selectable:stddev" in text
    assert "alarms:query:complex" in text


def test_events(run: Any) -> None:
    listed = run("event-list")
    assert listed[0]["Message ID"] == COOKIE
    for query in ("ate=integer::0", "ate=0", "event_type=cookies_chocolate.chip"):
        (row,) = run("event-list", "--no-traits", "-q", query)
        assert row["Message ID"] == COOKIE
    assert len(run("event-list", "--no-traits", "-q", "ate>integer::0")) == 2
    assert fields(run("event-show", COOKIE))["event_type"] == KIND
    assert {row["Event Type"] for row in run("event-type-list")} >= {KIND, "cookies_sugar"}
    described = run("trait-description-list", "-e", KIND)
    assert {row["Trait Name"]: row["Data Type"] for row in described} == {
        "type": "string", "ate": "integer",
    }  # fmt: skip
    values = run("trait-list", "-e", KIND, "-t", "ate")
    assert values == [{"Trait Name": "ate", "Value": "0", "Data Type": "integer"}]


COMMON = ("--alarm-action", "log://", "--severity", "low")
RULE = ("--aggregation-method", "mean", "--threshold", "5", "--comparison-operator", "gt")
CREATED: dict[str, tuple[str, ...]] = {
    "alarm-create": ("-m", "apples", "--threshold", "5"),
    "alarm-threshold-create": ("-m", "apples", "--threshold", "5"),
    "alarm-event-create": ("--event-type", "volume.*"),
    "alarm-gnocchi-resources-threshold-create": (
        *RULE, "-m", "apples", "--resource-type", "generic", "--resource-id", "r1",
    ),
    "alarm-gnocchi-aggregation-by-metrics-threshold-create": (
        *RULE, "-m", "00000000-0000-4000-8000-000000000000",
    ),
    "alarm-gnocchi-aggregation-by-resources-threshold-create": (
        *RULE, "-m", "apples", "--resource-type", "generic", "--query",
        '{"=": {"type": "generic"}}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", CREATED)
def test_alarms_are_made_and_changed(run: Any, command: str) -> None:
    made = fields(run(command, "--name", command, *COMMON, *CREATED[command]))
    ident = made["alarm_id"]
    assert api(f"alarms/{ident}")["name"] == command
    run(command.replace("-create", "-update"), ident, "--description", "changed")
    assert fields(run("alarm-show", ident))["description"] == "changed"
    run("alarm-delete", ident)
    with pytest.raises(Refused):
        run("alarm-show", ident)


def test_alarms_listed_set_and_told(run: Any) -> None:
    made = fields(run("alarm-threshold-create", "--name", "a", "-m", "apples", "--threshold", "5"))
    ident = made["alarm_id"]
    assert ident in {row["Alarm ID"] for row in run("alarm-list", "-q", "name=a")}
    run("alarm-state-set", ident, "--state", "alarm")
    assert "alarm" in run("alarm-state-get", ident).text
    assert "creation" in run("alarm-history", ident).text
    asked = json.dumps({"=": {"name": "a"}})
    assert [row["Alarm ID"] for row in run("query-alarms", "-f", asked)] == [ident]
    of_alarm = json.dumps({"=": {"alarm_id": ident}})
    assert "creation" in run("query-alarm-history", "-f", of_alarm).text


def test_combinations_are_gone(run: Any) -> None:
    """aodh has none any more; its composite alarms do that."""
    with pytest.raises(Refused, match="combination"):
        run("alarm-combination-create", "--name", "c", "--alarm_ids", "a", "--alarm_ids", "b")
    with pytest.raises(Refused):
        run("alarm-combination-update", "none", "--alarm_ids", "a")


def test_the_library_finds_all_behind_one_endpoint() -> None:
    found = library.get_client("2", os_endpoint=URL, os_token=TOKEN)
    (row,) = found.statistics.list("apples", groupby=["project_id"])
    assert (row.groupby, row.sum) == ({"project_id": "p1"}, 7.0)
    assert found.events.list()[0].message_id == COOKIE
    assert isinstance(found.alarms.list(), list)


def test_every_command_was_run() -> None:
    assert ran == COMMANDS
