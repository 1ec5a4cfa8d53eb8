"""polling.yaml: which lists are right, what they select, what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from pollers import work
from pollers.polling_file import PollingFileError, load_polling, read_polling, unmatched
from telemetry_site.selection import Selection
from telemetry_site.yamlfile import DefinitionError

GOOD: dict[str, Any] = {"name": "s", "interval": 60, "meters": ["cpu"]}
NAMES = ["cpu", "memory", "memory.usage", "disk.device.read.bytes", "disk.root.size"]


@pytest.mark.parametrize(
    ("meters", "selected"),
    [
        (["*"], NAMES),
        (["cpu", "memory"], ["cpu", "memory"]),
        (["cpu", "disk.*"], ["cpu", "disk.device.read.bytes", "disk.root.size"]),
        (["!disk.*"], ["cpu", "memory", "memory.usage"]),
        (["*", "!disk.*", "!cpu"], ["memory", "memory.usage"]),
        (["memory*", "memory.usage"], ["memory", "memory.usage"]),
        (["disk.device.*.byte?"], ["disk.device.read.bytes"]),
        (["CPU"], []),
    ],
)
def test_a_list_selects_by_name_wildcard_and_exclusion(
    meters: list[str], selected: list[str]
) -> None:
    selection = Selection(meters)
    assert [name for name in NAMES if selection.accepts(name)] == selected


@pytest.mark.parametrize(
    ("meters", "said"),
    [
        (["*", "cpu"], "Included meters specified with wildcard"),
        (["cpu", "!disk.*"], "Both included and excluded meters specified"),
        (["memory.*", "!memory.usage"], "Both included and excluded meters specified"),
        ([], "No meters specified"),
        ([5], "5 is no name or wildcard of meters"),
        (["!"], "'!' is no name or wildcard of meters"),
    ],
)
def test_lists_that_say_two_things_are_refused(meters: list[object], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        Selection(meters)


def write(folder: Path, *sources: Any) -> Path:
    file = folder / "polling.yaml"
    file.write_text(yaml.safe_dump({"sources": list(sources)}, sort_keys=False))
    return file


def test_a_source_is_read_with_all_its_keys(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD | {
        "resources": ["snmp://10.0.0.1"], "discovery": ["endpoint:volume", "tenant"],
        "group_id_coordination_expression": "'x'",
    })  # fmt: skip
    (source,), faults = read_polling(file)
    assert not faults
    assert (source.name, source.interval_s) == ("s", 60)
    assert source.resources == ("snmp://10.0.0.1",)
    assert source.discovery == ("endpoint:volume", "tenant")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": None}, "Required field name not specified"),
        ({"interval": None}, "Missing interval value"),
        ({"interval": "60"}, "Invalid interval value"),
        ({"interval": True}, "Invalid interval value"),
        ({"interval": 0}, "Interval value should > 0"),
        ({"interval": -5}, "Interval value should > 0"),
        ({"interval": 604801}, "Interval value should be at most 604800 seconds, a week"),
        ({"interval": 10**400}, "Interval value should be at most 604800 seconds, a week"),
        ({"interval": float("nan")}, "Invalid interval value nan"),
        ({"interval": [60]}, "Invalid interval value"),
        ({"name": ["a"]}, "Required field name not specified"),
        ({"meters": [["cpu"]]}, "is no name or wildcard of meters"),
        ({"meters": {"cpu": 1}}, "Missing meters value"),
        ({"resources": [5]}, "Resources should be a list"),
        ({"discovery": [{"tenant": 1}]}, "Discovery should be a list"),
        ({5: 6}, "there is no key 5"),
        ({"meters": None}, "Missing meters value"),
        ({"meters": "cpu"}, "Missing meters value"),
        ({"meters": []}, "No meters specified"),
        ({"meters": ["*", "cpu"]}, "Included meters specified with wildcard"),
        ({"resources": "snmp://x"}, "Resources should be a list"),
        ({"discovery": "tenant"}, "Discovery should be a list"),
        ({"discovery": ["tenants"]}, "there is no discovery 'tenants'"),
        ({"intervall": 5}, "there is no key 'intervall'"),
        ({"group_id_coordination_expression": "import os"}, "no expression"),
    ],
)
def test_a_wrong_source_is_named_with_file_line_and_fault(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    wrong = {key: value for key, value in (GOOD | change).items() if value is not None}
    file = write(tmp_path, GOOD | {"name": "first"}, wrong)
    sources, (fault,) = read_polling(file)
    assert [source.name for source in sources] == ["first"]
    assert said in fault.text
    assert fault.line >= 5
    with pytest.raises(PollingFileError, match=f"polling.yaml:{fault.line}: "):
        load_polling(file)


@pytest.mark.parametrize("text", ["", "sources:", "sources: []", "- a", "sources: [", "a: b"])
def test_a_file_without_sources_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "polling.yaml"
    file.write_text(text)
    with pytest.raises(PollingFileError, match=r"polling\.yaml"):
        load_polling(file)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    _, (fault,) = read_polling(write(tmp_path, GOOD, GOOD))
    assert "Duplicated source names: s" in fault.text


def test_names_that_nothing_polls_are_told_with_their_line(tmp_path: Path) -> None:
    sources, _ = read_polling(write(tmp_path, GOOD | {"meters": ["cpu", "cpu_util", "dsk.*"]}))
    faults = unmatched(sources, work.known_meters())
    assert [(fault.line, fault.text) for fault in faults] == [
        (6, "source 's': no pollster is cpu_util"), (7, "source 's': no pollster is dsk.*"),
    ]  # fmt: skip


def test_an_agent_says_once_what_it_does_not_know_and_polls_the_rest(
    tmp_path: Path, settings: Any
) -> None:
    settings.TELEMETRY_POLLING_FILE = str(
        write(tmp_path, GOOD | {"meters": ["cpu", "nothing"], "interval": 3})
    )
    work.polling_sources.cache_clear()
    with capture_logs() as logs:
        assert work.polling_sources() is work.polling_sources()
    work.polling_sources.cache_clear()
    assert [entry["event"] for entry in logs] == [
        "meters of the polling file that nothing polls",
        "a source is polled less often than it says: TELEMETRY_POLL_INTERVAL is longer",
    ]


def test_a_real_file_of_a_deployment_is_read(tmp_path: Path) -> None:
    meters = ["power.state", "cpu", "vcpus", "memory", "memory.usage", "disk.*", "network.*"]
    file = write(tmp_path, {"name": "pollsters", "interval": 120, "meters": meters})
    sources = load_polling(file)
    assert not unmatched(sources, work.known_meters())
    accepted = [name for name in work.known_meters() if sources[0].meters.accepts(name)]
    assert "disk.device.read.bytes" in accepted
    assert "network.incoming.bytes" in accepted
    assert "hardware.cpu.util" not in accepted
