"""`poll_once SOURCE --explain` and `check_definitions`, by files and by the settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from pollers import work
from pollers.central import plan
from telemetry_site.paths import ROOT
from tests.support.http_service import HttpService, http_service


@pytest.fixture
def service() -> Iterator[HttpService]:
    with http_service() as running:
        yield running


@pytest.fixture(autouse=True)
def _settings_of_the_test() -> Iterator[None]:
    """What an agent reads once is read for each test."""
    caches = (
        work.polling_sources, work.pollsters, plan.fixed_work, plan.scrape_jobs, plan.discovered,
    )  # fmt: skip
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()


POLLSTERS = """\
- name: warehouse.stock
  sample_type: gauge
  unit: piece
  url_path: {url}/api/items
  response_entries_key: items
  value_attribute: stock
  resource_id_attribute: sku
  metadata_fields: [name, shelf.room]
"""
POLLING = """\
sources:
  - name: warehouse
    interval: 60
    meters: ["warehouse.*"]
"""


@pytest.fixture
def files(service: HttpService, tmp_path: Path, settings: Any) -> Path:
    (tmp_path / "pollsters.yaml").write_text(POLLSTERS.format(url=service.url))
    (tmp_path / "polling.yaml").write_text(POLLING)
    settings.TELEMETRY_POLLSTER_DEFINITIONS = [str(tmp_path / "pollsters.yaml")]
    settings.TELEMETRY_POLLING_FILE = str(tmp_path / "polling.yaml")
    settings.TELEMETRY_SCRAPE_URLS = []
    service.answers["/api/items"] = {
        "items": [{"sku": "a1", "stock": 7, "name": "nail", "shelf": {"room": 3}}]
    }
    return tmp_path


@pytest.mark.parametrize("what", ["warehouse.stock", "warehouse", "ware*", "central"])
def test_a_poll_is_explained(
    files: Path, service: HttpService, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    call_command("poll_once", what, "--explain")
    told = capsys.readouterr().out
    assert f"pollster warehouse: {service.url}/api/items" in told
    assert f"  pollster warehouse.stock of {files}/pollsters.yaml:1" in told
    assert f"  GET {service.url}/api/items: HTTP 200, " in told
    assert "  warehouse.stock: 1 entries, 1 samples" in told
    assert "resource a1 (generic): project -, user -" in told
    assert '  {"name": "nail", "shelf.room": 3}' in told
    assert "piece" in told


def test_a_poll_as_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("poll_once", "warehouse.stock", "--format", "json")
    (sample,) = json.loads(capsys.readouterr().out)["samples"]
    assert (sample["resource"], sample["meter"], sample["value"]) == ("a1", "warehouse.stock", 7)


def test_a_poll_that_fails_says_why_and_exits_with_1(
    files: Path, service: HttpService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.answers.clear()
    with pytest.raises(SystemExit) as ended:
        call_command("poll_once", "warehouse", "--explain")
    assert ended.value.code == 1
    assert "HTTP 404" in capsys.readouterr().out


def test_an_unknown_source_is_answered_with_those_that_there_are(files: Path) -> None:
    with pytest.raises(
        CommandError, match=r"No source fits 'warehose'. There are: host.*warehouse:"
    ):
        call_command("poll_once", "warehose")


def test_a_polling_file_at_fault_is_told(files: Path) -> None:
    (files / "polling.yaml").write_text(POLLING.replace("60", "soon"))
    with pytest.raises(CommandError, match=r"polling\.yaml:3: .*Invalid interval value 'soon'"):
        call_command("poll_once", "central")


def checked(capsys: pytest.CaptureFixture[str], *files: Path) -> list[str]:
    """The command's lines; it must find a fault."""
    with pytest.raises(CommandError, match="faults"):
        call_command("check_definitions", *map(str, files))
    return capsys.readouterr().out.splitlines()


def test_right_files_have_no_faults(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_definitions", str(files / "pollsters.yaml"), str(files / "polling.yaml"))
    call_command("check_definitions")
    assert capsys.readouterr().out == "no faults\nno faults\n"


def test_every_kind_of_file_is_told_with_file_line_and_fault(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "pollsters.yaml": POLLSTERS.format(url="http://h").replace(
            "shelf.room", "shelf | os.x(value)"
        ),
        "polling.yaml": POLLING.replace("warehouse.*", "warehose.*"),
        "scrape.yaml": "scrape_configs:\n  - job_name: a\n    static_config: []\n",
        "events.yaml": "- event_type: x\n  traits: 5\n",
        "meters.yaml": "metric:\n  - name: x\n",
    }
    for name, text in wrong.items():
        (files / name).write_text(text)
    told = checked(capsys, *(files / name for name in wrong))
    for name, line in (("pollsters.yaml", 8), ("polling.yaml", 4), ("scrape.yaml", 3)):
        assert any(one.startswith(f"{files}/{name}:{line}: ") for one in told), told
    for name in ("events.yaml", "meters.yaml"):
        assert any(one.startswith(f"{files}/{name}:") for one in told), told


def test_files_of_the_settings_are_checked_without_arguments(
    files: Path, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.TELEMETRY_SCRAPE_FILE = str(files / "none.yaml")
    (told,) = checked(capsys)
    assert told.startswith(f"{files}/none.yaml: cannot be read")


def test_a_directory_of_pollsters_is_checked(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "polling.yaml").unlink()
    (files / "more.yaml").write_text(POLLSTERS.format(url="http://h.example"))
    (told,) = checked(capsys, files)
    assert "warehouse.stock stands in" in told


def test_what_is_made_in_another_way_is_a_note_and_no_fault(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of classic pipelines rates are made where samples are read; an aggregator is not made."""
    text = (
        "sources:\n  - {name: a, meters: [cpu], sinks: [s]}\nsinks:\n  - name: s\n"
        "    publishers: ['gnocchi://']\n    transformers:\n"
        "      - {name: rate_of_change, parameters: {target: {name: cpu_util}}}\n"
    )
    file = files / "pipeline.yaml"
    file.write_text(text)
    call_command("check_definitions", str(file))
    note, last = capsys.readouterr().out.splitlines()
    assert note.startswith(f"{file}:7: note: sink 's': transformer rate_of_change is made where")
    assert last == "no faults"
    file.write_text(text.replace("rate_of_change", "aggregator"))
    (fault,) = checked(capsys, file)
    assert fault.startswith(f"{file}:7: sink 's': transformer aggregator makes no cpu_util here")


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe", b"a: \x00", b"- [", b"5", b"{}", b"# x", b"&a [*a]", b"- 5", b"sources: 5",
     b"metric: 5", b"scrape_configs: {}", b"sinks: 5", b"resources: 5", b"? [a]\n: 5"],
)  # fmt: skip
def test_a_file_of_anything_is_a_fault_in_words(
    files: Path, capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    file = files / "odd.yaml"
    file.write_bytes(text)
    for told in checked(capsys, file):
        assert told.startswith(f"{file}:"), told


@pytest.mark.parametrize(
    "arguments",
    [
        ["check_definitions", b"/none/\xff\xfe.yaml"], ["check_definitions", b""],
        ["check_definitions", b"/proc/self/mem"], ["poll_once", b"\xff"], ["poll_once", b"["],
        ["poll_once", b""],
    ],
)  # fmt: skip
def test_arguments_of_any_bytes_are_no_traceback(tmp_path: Path, arguments: list[Any]) -> None:
    env = {
        **os.environ, "TELEMETRY_HOME": str(tmp_path), "LIBVIRT_URI": "none",
        "PYTHONIOENCODING": "utf-8:strict",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    told = (done.stdout + done.stderr).decode()
    assert done.returncode == 1, told
    assert "Traceback" not in told
    assert told


@pytest.mark.parametrize("role", ["central", "compute"])
def test_an_agent_does_not_start_with_a_file_at_fault(tmp_path: Path, role: str) -> None:
    file = tmp_path / "polling.yaml"
    file.write_text(POLLING.replace("60", "soon"))
    env = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "telemetry_site.settings.agent",
        "TELEMETRY_HOME": str(tmp_path), "TELEMETRY_POLLING_FILE": str(file),
        "LIBVIRT_URI": "none",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "manage.py", "role", role], cwd=ROOT, env=env, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert f"{file}:3: source 'warehouse': Invalid interval value 'soon'" in told
    assert "Traceback" not in told
