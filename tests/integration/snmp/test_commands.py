"""`poll_once`, `check_definitions` and the central agents' plan with SNMP hosts."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from pollers import work
from pollers.central import plan
from tests.support.snmp import LOAD
from tests.support.snmpd import SECRETS, Agent

POLLING = """\
sources:
  - name: hosts
    interval: 60
    meters: ["hardware.cpu.load.*", hardware.memory.used, "hardware.network.*"]
    resources: [{urls}]
"""


@pytest.fixture(autouse=True)
def _settings_of_the_test(settings: Any) -> Iterator[None]:
    """What an agent reads once is read for each test."""
    settings.TELEMETRY_SCRAPE_URLS = []
    caches = (work.polling_sources, work.snmp_meters, work.unknown_names, plan.fixed_work)
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()


def polling_file(folder: Path, settings: Any, *urls: str) -> Path:
    file = folder / "polling.yaml"
    file.write_text(POLLING.format(urls=", ".join(f'"{url}"' for url in urls)))
    settings.TELEMETRY_POLLING_FILE = str(file)
    return file


@pytest.mark.parametrize("what", ["hosts", "hardware.cpu.load.1min", "hosts: snmp://*", "central"])
def test_a_poll_is_explained_without_secrets(
    agent: Agent, tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    polling_file(tmp_path, settings, agent.v3("shaaes"))
    call_command("poll_once", what, "--explain")
    told = capsys.readouterr().out
    assert f"snmp hosts: {agent.shown}\n" in told
    assert "  pollster hardware.cpu.load.1min of " in told
    assert "/definitions/snmp.yaml:" in told
    assert "hardware.memory.used: 1.3.6.1.4.1.2021.4.6.0, 1 samples" in told
    assert "table 1.3.6.1.2.1.2.2.1: " in told
    assert "resource 127.0.0.1 (host): project -, user -" in told
    assert f'{{"resource_url": "{agent.shown}"}}' in told
    assert not any(secret in told for secret in SECRETS)


def test_a_host_that_is_down_stops_no_other(
    agent: Agent, impatient: None, tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"snmp://127.0.0.1:{nobody.getsockname()[1]}"
        polling_file(tmp_path, settings, away, agent.url)
        with pytest.raises(SystemExit):
            call_command("poll_once", "hosts", "--format", "json")
    told = json.loads(capsys.readouterr().out)
    assert {one["source"]: one["outcome"] for one in told["reports"]} == {
        f"hosts: {away}": "error", f"hosts: {agent.shown}": "ok",
    }  # fmt: skip
    assert LOAD in {one["meter"] for one in told["samples"]}


def test_hosts_of_the_settings_are_sources_and_wrong_ones_say_so(
    agent: Agent, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "pw-not-to-be-seen"
    settings.TELEMETRY_SNMP_URLS = [agent.url, f"snmp://reader:{secret}@127.0.0.1:x"]
    with pytest.raises(SystemExit):
        call_command("poll_once", "central", "--format", "json")
    told = capsys.readouterr().out
    reports = {one["source"]: one for one in json.loads(told)["reports"]}
    assert reports[agent.shown]["outcome"] == "ok"
    wrong = reports["TELEMETRY_SNMP_URLS, number 2"]
    assert (wrong["kind"], wrong["outcome"]) == ("snmp", "error")
    assert not any(one in told for one in (secret, *SECRETS))


def test_each_host_is_a_task_of_its_own_under_the_same_name_on_every_agent(
    tmp_path: Path, settings: Any
) -> None:
    """Tasks carry the name, by which agents claim: one polls, with the login of its own file."""
    polling_file(tmp_path, settings, "snmp://secret@10.0.0.1", "snmp://10.0.0.2")
    first = list(plan.central_work())
    plan.fixed_work.cache_clear()
    work.polling_sources.cache_clear()
    polling_file(tmp_path, settings, "snmp://renewed@10.0.0.1", "snmp://10.0.0.2")
    assert (
        list(plan.central_work()) == first == ["hosts: snmp://10.0.0.1", "hosts: snmp://10.0.0.2"]
    )


def checked(capsys: pytest.CaptureFixture[str], *files: Path) -> list[str]:
    """The command's lines; it must find a fault."""
    with pytest.raises(CommandError, match="faults"):
        call_command("check_definitions", *map(str, files))
    return capsys.readouterr().out.splitlines()


METERS = """\
metric:
  - name: own.meter
    unit: C
    type: gauge
    snmp_inspector:
      matching_type: type_exact
      oid: "1.3.6.1.9"
      type: "lambda x: __import__('os').system(x)"
"""


def test_files_are_checked_with_their_lines(
    tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    meters = tmp_path / "snmp.yaml"
    meters.write_text(METERS)
    polling = polling_file(tmp_path, settings, "snmp://u:pw-not-to-be-seen@h?privacy=aes")
    told = checked(capsys, meters, polling)
    assert told[0].startswith(f"{meters}:8: own.meter: type: neither int, float, str, hex nor an ")
    assert "__import__" in told[0]
    assert told[1].startswith(
        f"{polling}:5: source 'hosts': snmp://h: there is no option 'privacy'"
    )
    assert "not-to-be-seen" not in str(told)


def test_files_of_the_settings_are_checked(
    tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    meters = tmp_path / "snmp.yaml"
    meters.write_text(METERS)
    settings.TELEMETRY_SNMP_DEFINITIONS = [str(meters)]
    (told,) = checked(capsys)
    assert told.startswith(f"{meters}:8: ")
    meters.write_text(METERS.replace("lambda x: __import__('os').system(x)", "float"))
    polling = polling_file(tmp_path, settings, "snmp://h")
    polling.write_text(polling.read_text().replace("hardware.memory.used", "own.meter"))
    call_command("check_definitions")
    assert capsys.readouterr().out == "no faults\n"
