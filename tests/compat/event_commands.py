"""Every command of `openstack event`: what it prints is what the API holds.

Runs in the client's environment (`make compat SUITE=pankoclient`), in this process, with one
endpoint and a token and without a Keystone. The metering API has the events, too.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest
import requests
from openstackclient.shell import main

TOKEN = os.environ["COMPAT_TOKEN"]
ENDPOINTS = {name: os.environ[f"COMPAT_{name.upper()}"] for name in ("event", "metering")}
COMMANDS = {point.name for point in entry_points(group="openstack.event.v2")}
ran: set[str] = set()
#: Of `tests.compat.cookies`.
COOKIES = [f"fea1b15a-1d47-4175-85a5-a4bb2c72924{place}" for place in range(3)]
KIND = "cookies_chocolate.chip"


@pytest.fixture(params=ENDPOINTS)
def run(request: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    login = [
        "--os-auth-type", "admin_token", "--os-endpoint", ENDPOINTS[request.param],
        "--os-token", TOKEN,
    ]  # fmt: skip

    def run(command: str, *words: str) -> Any:
        ran.add(command)
        argv = [*login, *command.split(), *words, "-f", "json"]
        monkeypatch.setattr(sys, "argv", ["openstack", *argv])
        logging.root.handlers.clear()  # they write where a former command wrote
        capsys.readouterr()
        status = main(argv)
        printed = capsys.readouterr()
        assert status == 0, printed.out + printed.err
        return json.loads(printed.out)

    return run


def api(path: str) -> Any:
    answer = requests.get(
        f"{ENDPOINTS['event']}/v2/{path}", headers={"X-Auth-Token": TOKEN}, timeout=30
    )
    answer.raise_for_status()
    return answer.json()


def ids(listed: list[dict[str, Any]]) -> list[str]:
    return [row["message_id"] for row in listed]


def test_list(run: Any) -> None:
    assert ids(run("event list")) == COOKIES == ids(api("events"))
    assert ids(run("event list", "--sort", "generated:desc", "--limit", "2")) == COOKIES[:0:-1]
    assert ids(run("event list", "--marker", COOKIES[0], "--limit", "1")) == COOKIES[1:2]
    assert ids(run("event list", "--filter", "ate=2")) == COOKIES[2:]
    assert ids(run("event list", "--filter", f"event_type={KIND}")) == COOKIES[:1]


def test_show(run: Any) -> None:
    shown, event = run("event show", COOKIES[1]), api(f"events/{COOKIES[1]}")
    assert (shown["event_type"], shown["generated"]) == (event["event_type"], event["generated"])


def test_types_and_traits(run: Any) -> None:
    assert [row["Event Type"] for row in run("event type list")] == api("event_types")
    assert run("event trait description", KIND) == api(f"event_types/{KIND}/traits")
    assert run("event trait list", KIND, "ate") == api(f"event_types/{KIND}/traits/ate")


def test_capabilities(run: Any) -> None:
    assert "events:query:simple" in json.dumps(run("event capabilities list"))


def test_every_command_was_run() -> None:
    assert ran == COMMANDS
