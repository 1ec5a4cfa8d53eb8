"""Every command of `gnocchi` and of `openstack metric`: what it prints is what the API holds.

Runs in the client's environment (`make compat SUITE=gnocchiclient FILE=commands`). The commands
run in this process, by the clients' own entry points: starting `openstack` takes seconds.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from gnocchiclient.shell import GnocchiCommandManager
from gnocchiclient.shell import main as gnocchi_main
from openstackclient.shell import main as openstack_main

URL = os.environ["PIFPAF_GNOCCHI_HTTP_URL"]
GNOCCHI = ["--user", "admin", "--endpoint", URL]
OPENSTACK = ["--os-auth-type", "gnocchi-basic", "--os-user", "admin", "--os-endpoint", URL]
COMMANDS = {
    "gnocchi": set(GnocchiCommandManager.SHELL_COMMANDS),
    "openstack": {
        point.name.replace("_", " ") for point in entry_points(group="openstack.metric.v1")
    },
}
#: {client: commands that tests have run}
ran: dict[str, set[str]] = {client: set() for client in COMMANDS}

#: Ten seconds apart, in one minute.
FIRST, SECOND = "2020-01-01T12:00:00+00:00", "2020-01-01T12:00:10+00:00"
MINUTE, STOP = "2020-01-01T12:00:00+00:00", "2020-01-01T13:00:00+00:00"


class Refused(Exception):
    """A command ended with an error; its text is what it printed."""


class Client:
    """Runs commands, given as for `gnocchi`; the answer is their `-f json`, None without output."""

    def __init__(self, name: str, patch: pytest.MonkeyPatch, captured: Any) -> None:
        self.name = name
        self.patch = patch
        self.captured = captured

    def __call__(self, command: str, *arguments: str, **options: Any) -> Any:
        asked = self.words(command)
        ran[self.name].add(asked)
        shown = [] if options.get("silent") else ["-f", "json"]
        login = GNOCCHI if self.name == "gnocchi" else OPENSTACK
        main = gnocchi_main if self.name == "gnocchi" else openstack_main
        words = [*login, *asked.split(), *arguments, *shown]
        self.patch.setattr(sys, "argv", [self.name, *words])
        logging.root.handlers.clear()  # they write where a former command wrote
        self.captured.readouterr()
        status = main(words)
        printed = self.captured.readouterr()
        if status:
            raise Refused(printed.out + printed.err)
        if options.get("silent"):
            assert printed.out == ""
            return None
        return json.loads(printed.out)

    def words(self, command: str) -> str:
        """The command's words: `openstack` has `metric` before them, once."""
        if self.name == "gnocchi" or command.split()[0] == "metric":
            return command
        return f"metric {command}"


@pytest.fixture(params=COMMANDS)
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Client:
    monkeypatch.setenv("TZ", "UTC")
    return Client(request.param, monkeypatch, capsys)


def api(path: str, **options: Any) -> Any:
    """What the API answers to a GET."""
    answer = requests.get(f"{URL}/v1/{path}", auth=("admin", ""), timeout=30, **options)
    answer.raise_for_status()
    return answer.json()


def is_gone(path: str) -> bool:
    answer = requests.get(f"{URL}/v1/{path}", auth=("admin", ""), timeout=30)
    return answer.status_code == 404


def only(rows: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """The one row with these fields."""
    (row,) = [row for row in rows if fields.items() <= row.items()]
    return row


def without(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
def policy() -> str:
    """An archive policy of seconds and minutes."""
    name = f"policy-{uuid4()}"
    definition = [{"granularity": "1s", "points": 3600}, {"granularity": "1min", "points": 3600}]
    post("archive_policy", {"name": name, "back_window": 0, "definition": definition})
    return name


def post(path: str, body: Any) -> Any:
    answer = requests.post(f"{URL}/v1/{path}", json=body, auth=("admin", ""), timeout=30)
    answer.raise_for_status()
    return answer.json() if answer.content else None


@pytest.fixture
def measured(policy: str) -> tuple[str, str]:
    """A resource with a metric `cpu` of two measures, 1 and 5: their ids."""
    resource = str(uuid4())
    body = {"id": resource, "project_id": "p1", "metrics": {"cpu": {"archive_policy_name": policy}}}
    metric = post("resource/generic", body)["metrics"]["cpu"]
    measures = [{"timestamp": FIRST, "value": 1}, {"timestamp": SECOND, "value": 5}]
    post(f"metric/{metric}/measures", measures)
    api(f"metric/{metric}/measures", params={"refresh": "true"})
    return resource, metric


def test_status_shows_the_backlog(run: Client) -> None:
    status = api("status")
    shown = run("status")
    assert list(shown) == [
        "storage/total number of measures to process",
        "storage/number of metric having measures to process",
        "metricd/processors",
    ]
    assert shown["metricd/processors"] == status["metricd"]["processors"]


def test_server_version_is_the_build(run: Client) -> None:
    root = requests.get(f"{URL}/", timeout=30).json()
    assert run("server version") == {"version": root["build"]}


def test_capabilities_are_all_aggregation_methods(run: Client) -> None:
    (methods,) = run("capabilities list").values()
    assert sorted(methods) == sorted(api("capabilities")["aggregation_methods"])
    assert len(methods) == 216


def by_methods(row: dict[str, Any]) -> dict[str, Any]:
    """A policy with its methods in order: the API has none."""
    return row | {"aggregation_methods": sorted(row["aggregation_methods"])}


def test_archive_policies(run: Client) -> None:
    name = f"policy-{uuid4()}"
    definition = ["-d", "granularity:1s,points:60", "-d", "granularity:1min,timespan:1h"]
    made = run(
        "archive-policy create", name, *definition, "-b", "3", "-m", "mean", "-m", "rate:max"
    )
    assert by_methods(made) == by_methods(api(f"archive_policy/{name}"))
    assert sorted(made["aggregation_methods"]) == ["mean", "rate:max"]
    assert made["back_window"] == 3

    assert by_methods(run("archive-policy show", name)) == by_methods(made)
    listed = run("archive-policy list")
    assert by_methods(only(listed, name=name)) == by_methods(made)
    assert {row["name"] for row in listed} == {row["name"] for row in api("archive_policy")}

    longer = ["-d", "granularity:1s,points:120", "-d", "granularity:1min,points:60"]
    changed = run("archive-policy update", name, *longer)
    assert changed["definition"][0]["points"] == 120
    assert by_methods(changed) == by_methods(api(f"archive_policy/{name}"))

    run("archive-policy delete", name, silent=True)
    with pytest.raises(Refused, match=f"Archive policy {name} does not exist"):
        run("archive-policy show", name)


def test_archive_policy_rules(run: Client, policy: str) -> None:
    name = f"rule-{uuid4()}"
    pattern = f"{name}.*"
    made = run("archive-policy-rule create", name, "-a", policy, "-m", pattern)
    assert made == {"name": name, "archive_policy_name": policy, "metric_pattern": pattern}
    assert made == api(f"archive_policy_rule/{name}")
    assert run("archive-policy-rule show", name) == made
    listed = run("archive-policy-rule list")
    assert only(listed, name=name) == made
    assert [row["name"] for row in listed] == [row["name"] for row in api("archive_policy_rule")]

    if "archive-policy-rule update" in COMMANDS[run.name]:
        changed = run("archive-policy-rule update", name, "-n", f"{name}-2")
        assert changed == made | {"name": f"{name}-2"}
        name = changed["name"]
    run("archive-policy-rule delete", name, silent=True)
    assert is_gone(f"archive_policy_rule/{name}")
    with pytest.raises(Refused, match=f"Archive policy rule {name} does not exist"):
        run("archive-policy-rule delete", name, silent=True)


def shown_type(kind: dict[str, Any]) -> dict[str, Any]:
    """A resource type as a command shows it."""
    attributes = {
        f"attributes/{name}": ", ".join(f"{key}={value}" for key, value in sorted(one.items()))
        for name, one in kind["attributes"].items()
    }
    return without(kind, "attributes") | attributes


def test_resource_types(run: Client) -> None:
    name = f"type_{uuid4().hex}"
    attributes = ["-a", "flavor:string:true:max_length=20", "-a", "cores:number:false:min=1:max=64"]
    made = run("resource-type create", name, *attributes, "-a", "host:uuid", "-a", "up:bool:false")
    kind = api(f"resource_type/{name}")
    assert made == shown_type(kind)
    assert kind["attributes"]["cores"] == {"type": "number", "required": False, "min": 1, "max": 64}
    assert kind["attributes"]["flavor"]["max_length"] == 20

    assert run("resource-type show", name) == made
    row = only(run("resource-type list"), name=name)
    assert "flavor" in row["attributes"]

    added = ["-a", "zone:string:true:max_length=9:fill=north", "-r", "host"]
    changed = run("resource-type update", name, *added)
    assert changed == shown_type(api(f"resource_type/{name}"))
    assert "attributes/host" not in changed
    assert "attributes/zone" in changed

    run("resource-type delete", name, silent=True)
    with pytest.raises(Refused, match=f"Resource type {name} does not exist"):
        run("resource-type show", name)


@pytest.fixture
def kind() -> str:
    """A resource type with a text and a number."""
    name = f"type_{uuid4().hex}"
    attributes = {
        "flavor": {"type": "string", "required": True},
        "cores": {"type": "number", "required": False},
    }
    post("resource_type", {"name": name, "attributes": attributes})
    return name


def test_resources(run: Client, kind: str, policy: str) -> None:
    name, metric = (
        f"vm/{uuid4()}".replace("/", "-"),
        post("metric", {"archive_policy_name": policy}),
    )
    attributes = ["-a", "flavor:small", "-a", "cores:4", "-a", "project_id:p1"]
    metrics = ["-m", f"cpu:{metric['id']}", "-n", f"disk:{policy}"]
    made = run("resource create", "-t", kind, name, *attributes, *metrics)
    path = f"resource/{kind}/{made['id']}"
    assert made == api(path)
    assert (made["original_resource_id"], made["cores"]) == (name, 4.0)
    assert made["metrics"]["cpu"] == metric["id"]
    assert set(made["metrics"]) == {"cpu", "disk"}
    assert run("resource show", "-t", kind, name) == made
    assert run("resource show", made["id"]) == api(f"resource/generic/{made['id']}")

    changed = run("resource update", "-t", kind, name, "-a", "flavor:large", "-d", "disk")
    assert changed == api(path)
    assert (changed["flavor"], set(changed["metrics"])) == ("large", {"cpu"})

    history = run("resource history", "-t", kind, name)
    assert [one["flavor"] for one in history] == ["small", "large"]
    held = [
        without(one, "created_by_user_id", "created_by_project_id")
        for one in api(f"{path}/history")
    ]
    assert history == held

    run("resource delete", name, silent=True)
    assert is_gone(path)
    with pytest.raises(Refused, match=f"Resource {made['id']} does not exist"):
        run("resource show", "-t", kind, name)


def listed_resource(one: dict[str, Any]) -> dict[str, Any]:
    """A resource as lists show it."""
    return without(one, "metrics", "created_by_user_id", "created_by_project_id")


def test_lists_of_resources(run: Client, kind: str) -> None:
    made = [
        post(f"resource/{kind}", {"id": str(uuid4()), "flavor": flavor, "cores": cores})
        for flavor, cores in (("small", 1), ("large", 2), ("large", 3))
    ]
    rows = [listed_resource(api(f"resource/{kind}/{one['id']}")) for one in made]
    assert run("resource list", "-t", kind) == rows
    assert run("resource list", "-t", kind, "--sort", "cores:desc") == rows[::-1]
    assert run("resource list", "-t", kind, "--sort", "cores:asc", "--limit", "2") == rows[:2]
    after = ["--sort", "cores:asc", "--marker", rows[0]["id"]]
    assert run("resource list", "-t", kind, *after) == rows[1:]

    assert run("resource search", "-t", kind, "flavor = 'large' and cores > 2") == rows[2:]
    assert run("resource search", "-t", kind, "flavor = 'huge'") == []
    only_generic = run("resource search", f"id = '{rows[0]['id']}'")
    assert only_generic == [without(rows[0], "flavor", "cores")]

    run("resource update", "-t", kind, rows[0]["id"], "-a", "flavor:medium")
    revisions = run("resource list", "-t", kind, "--history", "--sort", "revision_start:asc")
    assert len(revisions) == 4
    assert run("resource search", "-t", kind, "--history", "flavor = 'small'")[0]["revision_end"]

    assert run("resource batch delete", "-t", kind, "flavor = 'large'") == {"deleted": 2}
    assert [one["id"] for one in api(f"resource/{kind}")] == [rows[0]["id"]]


def shown_metric(metric: dict[str, Any]) -> dict[str, Any]:
    """A metric as `metric show` shows it."""
    resource = metric["resource"] or {"id": None}
    shown = without(
        metric, "archive_policy", "resource", "created_by_user_id", "created_by_project_id"
    )
    shown["archive_policy/name"] = metric["archive_policy"]["name"]
    return shown | {f"resource/{key}": value for key, value in resource.items()}


def test_metrics(run: Client, policy: str) -> None:
    made = run("metric create", "load", "-a", policy, "-u", "processes")
    path = f"metric/{made['id']}"
    assert (made["name"], made["unit"], made["creator"]) == ("load", "processes", "admin")
    assert run("metric show", made["id"]) == shown_metric(api(path))

    resource = post("resource/generic", {"id": f"host-{uuid4()}"})
    own = ["-r", resource["original_resource_id"]]
    second = run("metric create", "idle", "-a", policy, *own)
    assert second["name"] == "idle"
    shown = run("metric show", "idle", *own)
    assert shown == shown_metric(api(f"resource/generic/{resource['id']}/metric/idle"))
    assert shown["resource/id"] == resource["id"]
    with pytest.raises(Refused, match="Named metric idle already exists"):
        run("metric create", "idle", "-a", policy, *own)

    run("metric delete", "idle", *own, silent=True)
    run("metric delete", made["id"], silent=True)
    assert is_gone(path)
    assert is_gone(f"metric/{second['id']}")
    with pytest.raises(Refused, match=f"Metric {made['id']} does not exist"):
        run("metric show", made["id"])


def test_lists_of_metrics(run: Client, policy: str) -> None:
    names = [f"{letter}-{uuid4()}" for letter in "abc"]
    made = {
        name: post("metric", {"name": name, "archive_policy_name": policy})["id"] for name in names
    }
    everything = {row["id"]: row for row in run("metric list")}
    for name, metric in made.items():
        assert everything[metric] == {
            "id": metric, "archive_policy/name": policy, "name": name, "unit": None,
            "resource_id": None,
        }  # fmt: skip
    assert set(everything) == {row["id"] for row in every_metric()}
    ordered = sorted(everything)
    assert [row["id"] for row in run("metric list", "--limit", "2")] == ordered[:2]
    assert [row["id"] for row in run("metric list", "--marker", ordered[-2])] == ordered[-1:]
    by_name = run("metric list", "--sort", "name:desc-nullslast")
    assert [row["name"] for row in by_name if row["id"] in made.values()] == names[::-1]


def every_metric() -> list[dict[str, Any]]:
    """The API's own list, by its links."""
    found: list[dict[str, Any]] = []
    url: str | None = f"{URL}/v1/metric"
    while url:
        answer = requests.get(url, auth=("admin", ""), timeout=30)
        found += answer.json()
        url = answer.links.get("next", {}).get("url")
    return found


def rows_of(measures: list[list[Any]]) -> list[dict[str, Any]]:
    """[[timestamp, granularity, value]] as commands show them."""
    return [
        {"timestamp": timestamp, "granularity": granularity, "value": value}
        for timestamp, granularity, value in measures
    ]


def test_measures_of_a_metric(run: Client, policy: str) -> None:
    metric = post("metric", {"archive_policy_name": policy})["id"]
    run("measures add", metric, "-m", f"{FIRST}@1", "-m", f"{SECOND}@5.5", silent=True)
    measures = run("measures show", metric, "--refresh", "--utc")
    assert measures == rows_of(api(f"metric/{metric}/measures"))
    assert measures == rows_of([[MINUTE, 60.0, 3.25], [FIRST, 1.0, 1.0], [SECOND, 1.0, 5.5]])

    highest = ["--aggregation", "max", "--granularity", "60", "--start", FIRST, "--stop", STOP]
    assert run("measures show", metric, "--utc", *highest) == rows_of([[MINUTE, 60.0, 5.5]])
    hours = ["--granularity", "60", "--resample", "3600"]
    assert run("measures show", metric, "--utc", *hours) == rows_of([[MINUTE, 3600.0, 3.25]])
    (local,) = run("measures show", metric, *highest)
    assert moment(local["timestamp"]) == moment(MINUTE)

    run("measures add", metric, "-m", "-2 minutes@8", silent=True)
    run("measures add", metric, "-m", "now@7", silent=True)
    latest = run("measures show", metric, "--refresh", "--utc", "--granularity", "1")[-2:]
    assert [row["value"] for row in latest] == [8.0, 7.0]
    with pytest.raises(Refused, match=f"Aggregation method .* for metric {metric} does not exist"):
        run("measures show", metric, "--granularity", "7")


def test_measures_by_name(run: Client, measured: tuple[str, str]) -> None:
    resource, metric = measured
    run("measures add", "cpu", "-r", resource, "-m", "2020-01-01T12:00:20Z@9", silent=True)
    shown = run("measures show", "cpu", "-r", resource, "--refresh", "--utc", "--granularity", "60")
    assert shown == rows_of([[MINUTE, 60.0, 5.0]])
    assert shown == rows_of(api(f"metric/{metric}/measures", params={"granularity": "60"}))


def test_batches_of_measures(run: Client, measured: tuple[str, str], tmp_path: Path) -> None:
    resource, metric = measured
    file = tmp_path / "batch.json"
    measures = [{"timestamp": "2020-01-01T12:00:20", "value": 9}]
    file.write_text(json.dumps({metric: measures}))
    run("measures batch-metrics", str(file), silent=True)
    assert values_of(metric) == [1.0, 5.0, 9.0]

    file.write_text(json.dumps({resource: {"cpu": [measures[0] | {"value": 10}]}}))
    run("measures batch-resources-metrics", str(file), silent=True)
    assert values_of(metric)[:2] == [1.0, 5.0]

    file.write_text(json.dumps({resource: {f"new-{resource}": measures}}))
    with pytest.raises(Refused, match=f"Unknown metrics: {resource}/new-{resource}"):
        run("measures batch-resources-metrics", str(file), silent=True)
    run("measures batch-resources-metrics", "--create-metrics", str(file), silent=True)
    made = api(f"resource/generic/{resource}")["metrics"][f"new-{resource}"]
    assert api(f"metric/{made}/measures", params={"refresh": "true"})[-1][2] == 9.0


def values_of(metric: str) -> list[float]:
    """By second."""
    asked = {"granularity": "1", "refresh": "true"}
    return [value for _, _, value in api(f"metric/{metric}/measures", params=asked)]


@pytest.fixture
def fleet(policy: str) -> tuple[str, list[str]]:
    """A project, and the metrics `cpu` of its two resources: 1 and 5, 3 and 7."""
    project = f"project-{uuid4()}"
    metrics = []
    for first, second in ((1, 5), (3, 7)):
        body = {
            "id": str(uuid4()),
            "project_id": project,
            "metrics": {"cpu": {"archive_policy_name": policy}},
        }
        metrics.append(post("resource/generic", body)["metrics"]["cpu"])
        measures = [{"timestamp": FIRST, "value": first}, {"timestamp": SECOND, "value": second}]
        post(f"metric/{metrics[-1]}/measures", measures)
        api(f"metric/{metrics[-1]}/measures", params={"refresh": "true"})
    return project, metrics


def test_aggregation_across_metrics(run: Client, fleet: tuple[str, list[str]]) -> None:
    project, metrics = fleet
    seconds = ["--granularity", "1", "--utc"]
    by_id = run("measures aggregation", "-m", *metrics, *seconds, "--reaggregation", "max")
    assert by_id == rows_of([[FIRST, 1.0, 3.0], [SECOND, 1.0, 7.0]])

    found = ["-m", "cpu", "--query", f"project_id = '{project}'"]
    by_query = run("measures aggregation", *found, *seconds, "--start", FIRST, "--stop", STOP)
    assert by_query == rows_of([[FIRST, 1.0, 2.0], [SECOND, 1.0, 6.0]])
    filled = ["--fill", "0", "--needed-overlap", "0", "--resource-type", "generic"]
    assert run("measures aggregation", *found, *seconds, *filled) == by_query
    whole = ["--granularity", "1", "--resample", "60", "--aggregation", "mean", "--refresh"]
    resampled = run("measures aggregation", *found, "--utc", *whole)
    assert resampled == rows_of([[MINUTE, 60.0, 4.0]])
    grouped = run("measures aggregation", *found, *seconds, "--groupby", "project_id")
    assert grouped == [{"group": f"project_id: {project}"} | row for row in by_query]


def test_aggregates(run: Client, fleet: tuple[str, list[str]]) -> None:
    project, metrics = fleet
    ids = " ".join(f"({metric} mean)" for metric in metrics)
    seconds = ["--granularity", "1", "--start", FIRST, "--stop", STOP]
    by_id = run("aggregates", f"(aggregate sum (metric {ids}))", *seconds)
    assert by_id == [
        {"name": "aggregated", **row} for row in rows_of([[FIRST, 1.0, 4.0], [SECOND, 1.0, 12.0]])
    ]

    each = run("aggregates", f"(metric {ids})", *seconds)
    assert [row["name"] for row in each] == [f"{metric}/mean" for metric in metrics for _ in "12"]
    between = {"granularity": "1", "start": FIRST, "stop": STOP}
    held = computed({"operations": f"(metric {ids})"}, **between)["measures"]
    for metric in metrics:
        shown = [without(row, "name") for row in each if row["name"].startswith(metric)]
        assert shown == rows_of(held[metric]["mean"])

    search = f"project_id = '{project}'"
    options = ["--resource-type", "generic", "--needed-overlap", "0", "--fill", "0"]
    operation = "(* 2 (aggregate max (metric cpu mean)))"
    doubled = run("aggregates", operation, search, *seconds, *options)
    assert [row["value"] for row in doubled] == [6.0, 14.0]
    grouped = run("aggregates", operation, search, *seconds, "--groupby", "project_id")
    assert grouped == [{"group": f"project_id: {project}"} | row for row in doubled]
    followed = [*seconds[:4], "--groupby", "project_id", "--use-history", "true"]
    body = {"operations": operation, "search": search, "resource_type": "generic"}
    asked = {"granularity": "1", "start": FIRST, "groupby": "project_id", "use_history": "true"}
    (group,) = computed(body, **asked)
    rows = run("aggregates", operation, search, *followed)
    assert [without(row, "group", "name") for row in rows] == leaves(group["measures"]["measures"])
    with pytest.raises(Refused, match=r"Metric .'nothing'. does not exist"):
        run("aggregates", "(metric nothing mean)", search)


def computed(body: dict[str, Any], **query: str) -> Any:
    """What the API answers to a POST of dynamic aggregates."""
    answer = requests.post(
        f"{URL}/v1/aggregates", json=body, params=query, auth=("admin", ""), timeout=30
    )
    answer.raise_for_status()
    return answer.json()


def leaves(measures: Any) -> list[dict[str, Any]]:
    """All rows of a nested answer, in its order."""
    if isinstance(measures, list):
        return rows_of(measures)
    return [row for one in measures.values() for row in leaves(one)]


@pytest.mark.parametrize("client", COMMANDS)
def test_no_command_was_left_out(client: str) -> None:
    """Runs last, when all tests of this file ran.

    The benchmarks fail inside the client whatever the server is: it cannot send its own session
    to its worker processes ("cannot pickle '_thread.lock' object").
    """
    left = {name for name in COMMANDS[client] - ran[client] if "benchmark" not in name}
    assert left == set()
