"""Every command of `aodh` and of `openstack alarm`: what it prints is what the API holds.

By a real Keystone, with the endpoint from its catalogue, and by HTTP basic without any. Runs in the
client's environment (`make compat SUITE=aodhclient FILE=commands`). The commands run in this
process, by the clients' own entry points: starting `openstack` takes seconds.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from importlib.metadata import entry_points
from typing import Any
from uuid import uuid4

import pytest
import requests
from aodhclient.shell import AodhCommandManager
from aodhclient.shell import main as aodh_main
from openstackclient.shell import main as openstack_main
from osc_lib.clientmanager import ClientCache, ClientManager

URL = os.environ["AODH_ENDPOINT"]
TOKEN = os.environ["COMPAT_TOKEN"]
BASIC = [
    "--os-auth-type", "http_basic", "--os-username", "compat", "--os-password", TOKEN,
    "--os-endpoint", URL,
]  # fmt: skip
KEYSTONE = [
    "--os-auth-url", os.environ["COMPAT_KEYSTONE"], "--os-username", os.environ["COMPAT_USER"],
    "--os-password", os.environ["COMPAT_USER"], "--os-project-name", "admin",
    "--os-user-domain-id", "default", "--os-project-domain-id", "default",
]  # fmt: skip
LOGINS = {"basic": BASIC, "keystone": KEYSTONE}
MAINS = {"aodh": aodh_main, "openstack": openstack_main}
COMMANDS = {
    "aodh": set(AodhCommandManager.SHELL_COMMANDS),
    "openstack": {
        point.name.replace("_", " ") for point in entry_points(group="openstack.alarming.v2")
    },
}
#: {client: commands that tests have run}
ran: dict[str, set[str]] = {client: set() for client in COMMANDS}

RESOURCE_RULE = [
    "--metric", "cpu", "--resource-id", "vm-1", "--resource-type", "instance",
    "--aggregation-method", "mean", "--threshold", "80",
]  # fmt: skip


def forget_clients() -> None:
    """`openstack` keeps each service's client, with its login, as long as the process lives."""
    for held in vars(ClientManager).values():
        if isinstance(held, ClientCache):
            held._handle = None


class Refused(Exception):
    """A command ended with an error; its text is what it printed."""


class Client:
    """Runs commands, given as for `aodh`; the answer is their `-f json`, None without output."""

    def __init__(self, name: str, way: str, patch: pytest.MonkeyPatch, captured: Any) -> None:
        self.name = name
        self.way = way
        self.patch = patch
        self.captured = captured

    def __call__(self, command: str, *arguments: str, silent: bool = False) -> Any:
        if command == "capabilities list" and self.name == "openstack":
            command = "alarming capabilities list"
        ran[self.name].add(command)
        words = [
            *LOGINS[self.way],
            *command.split(),
            *arguments,
            *([] if silent else ["-f", "json"]),
        ]
        self.patch.setattr(sys, "argv", [self.name, *words])
        logging.root.handlers.clear()  # they write where a former command wrote
        forget_clients()
        self.captured.readouterr()
        status = MAINS[self.name](words)
        printed = self.captured.readouterr()
        if status:
            raise Refused(printed.out + printed.err)
        if silent:
            assert printed.out == ""
            return None
        return json.loads(printed.out)


@pytest.fixture(params=[(name, way) for name in COMMANDS for way in LOGINS], ids="-".join)
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Client:
    """Without the settings of aodhclient's own tests, which would choose another endpoint."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("AODH_ENDPOINT")
    return Client(*request.param, monkeypatch, capsys)


def api(path: str, body: Any = None) -> Any:
    """What the API answers to an administrator."""
    method = "GET" if body is None else "POST"
    headers = {"X-Auth-Token": TOKEN}
    answer = requests.request(method, f"{URL}/v2/{path}", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def name() -> str:
    return f"alarm-{uuid4()}"


def flat(alarm: dict[str, Any]) -> dict[str, Any]:
    """As `show` prints an alarm: the rule's fields beside the others, lists as texts."""
    shown = dict(alarm)
    if alarm["type"] == "composite":
        return shown | {"composite_rule": json.dumps(alarm["composite_rule"], indent=2)}
    shown.update(shown.pop(f"{alarm['type']}_rule"))
    if shown["time_constraints"]:
        constraints = json.dumps(shown["time_constraints"], sort_keys=True, indent=2)
        shown["time_constraints"] = constraints
    if isinstance(shown.get("query"), list):
        signs = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
        rows = [f"{one['field']} {signs[one['op']]} {one['value']}" for one in shown["query"]]
        shown["query"] = " AND\n".join(rows)
    return shown


#: type → the options that make one
TYPES: dict[str, list[str]] = {
    "gnocchi_resources_threshold": RESOURCE_RULE,
    "gnocchi_aggregation_by_metrics_threshold": [
        "--metric", str(uuid4()), "--metric", str(uuid4()), "--aggregation-method", "rate:mean",
        "--threshold", "1.5", "--evaluation-periods", "3", "--granularity", "300",
        "--comparison-operator", "gt",
    ],
    "gnocchi_aggregation_by_resources_threshold": [
        "--metric", "cpu", "--resource-type", "instance", "--aggregation-method", "mean",
        "--threshold", "80", "--query", '{"=": {"server_group": "my_group"}}',
    ],
    "composite": [
        "--composite-rule",
        '{"or": [{"threshold": 0.8, "metric": "cpu", "type": "gnocchi_resources_threshold", '
        '"resource_id": "vm-1", "resource_type": "generic", "aggregation_method": "last"}, '
        '{"and": [{"type": "prometheus", "query": "up", "threshold": 0}, '
        '{"type": "prometheus", "query": "up", "threshold": 1}]}]}',
    ],
    "event": ["--event-type", "compute.*", "--query",
              "traits.state=string::error;traits.n>=integer::3"],
    "prometheus": ["--query", "up", "--threshold", "1"],
    "loadbalancer_member_health": [
        "--stack-id", "s", "--pool-id", "p", "--autoscaling-group-id", "g",
    ],
    "threshold": ["-m", "cpu_util", "--threshold", "70", "--period", "600", "--statistic", "max"],
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_an_alarm_of_every_type_is_made_shown_changed_and_deleted(run: Client, kind: str) -> None:
    made = run("alarm create", "--name", name(), "-t", kind, *TYPES[kind])
    alarm_id = made["alarm_id"]
    assert made == flat(api(f"alarms/{alarm_id}"))
    assert run("alarm show", alarm_id) == made
    assert run("alarm show", made["name"]) == made
    assert run("alarm show", "--name", made["name"]) == made
    # The client sends the rule of this one type as the options make it, so they are all given.
    again = TYPES[kind] if kind == "loadbalancer_member_health" else []
    changed = run("alarm update", alarm_id, "--severity", "critical", "--enabled", "false", *again)
    assert (changed["severity"], changed["enabled"]) == ("critical", False)
    assert changed == flat(api(f"alarms/{alarm_id}"))
    run("alarm delete", made["name"], silent=True)
    with pytest.raises(Refused, match="not found"):
        run("alarm show", alarm_id)


def test_an_update_keeps_a_policy_of_which_the_client_knows_nothing(run: Client) -> None:
    rule = {"metric": "cpu", "resource_id": "vm-1", "resource_type": "instance",
            "aggregation_method": "mean", "threshold": 80, "comparison_operator": "gt"}  # fmt: skip
    kind = "gnocchi_resources_threshold"
    policy = {"for": 300, "recovery_threshold": 70.0, "no_data": "keep"}
    made = api("alarms", {"name": name(), "type": kind, f"{kind}_rule": rule, "policy": policy})
    changed = run("alarm update", made["alarm_id"], "--severity", "critical")
    assert changed["severity"] == "critical"
    assert api(f"alarms/{made['alarm_id']}")["policy"] == policy
    run("alarm delete", made["alarm_id"], silent=True)


def test_every_option_of_create(run: Client) -> None:
    # A trust is made for who brings a token of Keystone's.
    trusting = "trust+http://b/" if run.way == "keystone" else "https://b/"
    made = run(
        "alarm create", "--name", name(), "-t", "gnocchi_resources_threshold", *RESOURCE_RULE,
        "--description", "mine", "--state", "ok", "--severity", "moderate", "--enabled", "True",
        "--alarm-action", "http://a/", "--alarm-action", "zaqar://?topic=t",
        "--ok-action", trusting, "--insufficient-data-action", "log://",
        "--repeat-actions", "True", "--project-id", "p7", "--user-id", "u7",
        "--time-constraint", "name=cons1;start='0 11 * * *';duration=300;timezone=Europe/Berlin",
        "--time-constraint", "name=cons2;start='0 23 * * *';duration=600",
    )  # fmt: skip
    held = api(f"alarms/{made['alarm_id']}")
    assert made == flat(held)
    assert held["alarm_actions"] == ["http://a/", "zaqar://?topic=t"]
    assert held["ok_actions"] == [trusting]
    assert [one["duration"] for one in held["time_constraints"]] == [300, 600]
    assert (held["project_id"], held["user_id"], held["state"]) == ("p7", "u7", "ok")
    emptied = run("alarm update", made["alarm_id"], "--alarm-action", "")
    assert emptied["alarm_actions"] == []


def test_only_who_has_a_token_of_keystones_is_trusted(run: Client) -> None:
    command = ("alarm create", "--name", name(), "-t", "event", "--ok-action", "trust+http://b/")
    if run.way == "keystone":
        assert "trust+http://b/" in str(run(*command)["ok_actions"])
    else:
        with pytest.raises(Refused, match="needs a trust"):
            run(*command)


def test_lists(run: Client) -> None:
    severities = {name(): severity for severity in ("critical", "low", "moderate")}
    owner = uuid4().hex
    for one, severity in severities.items():
        run("alarm create", "--name", one, "-t", "event", "--severity", severity,
            "--user-id", owner)  # fmt: skip
    mine = ["--filter", f"user_id={owner}"]
    rows = run("alarm list", *mine, "--sort", "severity:asc")
    assert [row["severity"] for row in rows] == ["low", "moderate", "critical"]
    assert {row["name"] for row in rows} == set(severities)
    assert list(rows[0]) == ["alarm_id", "type", "name", "state", "severity", "enabled"]
    first = run("alarm list", *mine, "--sort", "severity:asc", "--limit", "1")
    assert first == rows[:1]
    rest = run("alarm list", *mine, "--sort", "severity:asc", "--marker", first[0]["alarm_id"])
    assert rest == rows[1:]
    assert len(run("alarm list", *mine, "--filter", "all_projects=true")) == 3
    one = rows[0]["name"]
    assert run("alarm list", "--filter", f"name={one}", "--filter", "enabled=True") == rows[:1]
    query = f'user_id="{owner}" and (severity="low" or severity="critical")'
    found = run("alarm list", "--query", query)
    assert {row["severity"] for row in found} == {"low", "critical"}
    assert run("alarm list", "--query", f'not enabled=true and user_id="{owner}"') == []


def test_states(run: Client) -> None:
    made = run("alarm create", "--name", name(), "-t", "event")
    assert run("alarm state get", made["alarm_id"]) == {"state": "insufficient data"}
    assert run("alarm state set", "--state", "alarm", made["name"]) == {"state": "alarm"}
    assert run("alarm state get", "--name", made["name"]) == {"state": "alarm"}
    assert api(f"alarms/{made['alarm_id']}")["state_reason"] == "Manually set via API"


def test_history(run: Client) -> None:
    made = run("alarm create", "--name", name(), "-t", "event")
    alarm_id = made["alarm_id"]
    run("alarm state set", "--state", "ok", alarm_id)
    run("alarm update", alarm_id, "--severity", "low", "--description", "other")
    held = api(f"alarms/{alarm_id}/history")
    shown = run("alarm-history show", alarm_id)
    columns = ("timestamp", "type", "detail", "event_id")
    assert shown == [{key: row[key] for key in columns} for row in held]
    assert [row["type"] for row in shown] == ["rule change", "state transition", "creation"]
    oldest = run("alarm-history show", alarm_id, "--sort", "timestamp:asc", "--limit", "1")
    assert oldest == shown[-1:]
    rest = run("alarm-history show", alarm_id, "--marker", shown[0]["event_id"])
    assert rest == shown[1:]
    run("alarm delete", alarm_id, silent=True)
    found = run("alarm-history search", "--query", f'alarm_id="{alarm_id}"')
    assert [row["type"] for row in found] == ["deletion", *(row["type"] for row in shown)]
    assert len(run("alarm-history search")) >= len(found)


def test_capabilities(run: Client) -> None:
    shown = run("capabilities list")
    assert shown == api("capabilities")


def test_metrics(run: Client) -> None:
    """Nothing is evaluated here: the list is there, and empty."""
    assert run("alarm metrics") == []


@pytest.mark.parametrize("run", [("openstack", way) for way in LOGINS], ids="-".join, indirect=True)
def test_quotas(run: Client) -> None:
    """`aodh` has no commands for them."""
    project = uuid4().hex
    usual = run("alarm quota show", "--project", project)
    assert usual == {"alarms": api("quotas")["quotas"][0]["limit"]}
    assert run("alarm quota set", project, "--alarm", "1") == {"alarms": 1}
    assert run("alarm quota show", "--project", project) == {"alarms": 1}
    kind = ["-t", "event", "--project-id", project]
    run("alarm create", "--name", "one", *kind)
    with pytest.raises(Refused, match=r"Alarm quota exceeded for user .* on project"):
        run("alarm create", "--name", "two", *kind)


def test_errors_are_told_in_the_servers_words(run: Client) -> None:
    missing = str(uuid4())
    with pytest.raises(Refused, match="not found"):
        run("alarm show", missing)
    with pytest.raises(
        Refused, match=r"Unsupported action ftp://x \(HTTP 400\) \(Request-ID: req-"
    ):
        run("alarm create", "--name", name(), "-t", "event", "--alarm-action", "ftp://x")
    with pytest.raises(Refused, match=r"Marker zz not found. \(HTTP 400\)"):
        run("alarm list", "--marker", "zz")
    twice = name()
    for _ in range(2):
        run("alarm create", "--name", twice, "-t", "event")
    with pytest.raises(Refused, match="Multiple alarms matches found"):
        run("alarm show", twice)


def test_no_command_is_left_out() -> None:
    """The last test: what the others have run is all that there is."""
    assert ran == COMMANDS
