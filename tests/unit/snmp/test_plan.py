"""Which hosts are polled for which meters: files, settings, both, twice, not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pollers.central.snmp.loading import load_snmp_meters
from pollers.central.snmp.plan import host_work, urls_source
from pollers.central.snmp.source import SnmpSource
from pollers.compute.meters import COMPUTE_METERS
from pollers.compute.plan import ComputePlan
from pollers.compute.sources import ComputeSources
from pollers.polling_file import PollingSource, read_polling, unmatched
from pollers.pollsters.loading import load_pollsters
from pollers.work import Work, pollster_work
from telemetry_site.selection import Selection

SECRET = "pw-not-to-be-seen"
METERS, _ = load_snmp_meters([])


def source(name: str, interval: float, *meters: str, urls: tuple[str, ...] = ()) -> PollingSource:
    return PollingSource(name, interval, Selection(meters), urls, place="polling.yaml:2")


def works(*sources: PollingSource) -> list[Work]:
    return host_work(sources, METERS.values())


def chosen(work: Work) -> set[str]:
    assert isinstance(work.source, SnmpSource)
    return {one.name for one in work.source.pollsters}


def test_each_host_is_a_work_of_its_own_named_without_secrets() -> None:
    made = works(source("hosts", 60, "hardware.*", urls=(f"snmp://{SECRET}@a", "snmp://b:1161")))
    assert [(one.name, one.interval_s) for one in made] == [
        ("hosts: snmp://a", 60), ("hosts: snmp://b:1161", 60),
    ]  # fmt: skip
    assert chosen(made[0]) == METERS.keys()
    assert SECRET not in f"{made} {made[0].source.__dict__}"


def test_what_two_sources_of_one_interval_say_of_a_host_is_one_poll() -> None:
    made = works(
        source("one", 60, "hardware.cpu.*", urls=("snmp://a", "snmp://a")),
        source("two", 60, "hardware.memory.*", "hardware.cpu.util", urls=("snmp://a/",)),
        source("slow", 300, "hardware.cpu.util", urls=("snmp://a",)),
    )
    assert [(one.name, one.interval_s) for one in made] == [
        ("one: snmp://a", 60), ("slow: snmp://a", 300),
    ]  # fmt: skip
    assert {name.split(".")[1] for name in chosen(made[0])} == {"cpu", "memory"}
    told = made[0].chosen["selection"]
    assert set(told["meters"]) == chosen(made[0])
    assert "hardware.disk.size.used" in told["left_out"]
    assert len(told["rules"]) == 2


def test_a_host_with_two_logins_is_polled_by_the_first_and_told() -> None:
    with capture_logs() as logs:
        (work,) = works(
            source("one", 60, "hardware.*", urls=("snmp://first@a", f"snmp://{SECRET}@a"))
        )
    assert work.name == "one: snmp://a"
    (told,) = logs
    assert "given twice" in told["event"]
    assert SECRET not in str(logs)


def test_a_host_of_which_nothing_is_selected_is_told() -> None:
    with capture_logs() as logs:
        assert works(source("one", 60, "cpu", urls=("snmp://a",))) == []
    assert logs[0]["host"] == "snmp://a"


def test_hosts_of_the_settings_give_everything_and_wrong_ones_say_so() -> None:
    single, wrong = urls_source(["snmp://a", f"snmp://u:{SECRET}@a:x", "http://b"], 10)
    (work,) = works(single)
    assert (work.name, work.interval_s) == ("snmp://a", 10)
    assert chosen(work) == METERS.keys()
    assert work.chosen == {"selection": {"meters": list(METERS)}}
    assert [name for name, _ in wrong] == [
        "TELEMETRY_SNMP_URLS, number 2", "TELEMETRY_SNMP_URLS, number 3",
    ]  # fmt: skip
    assert SECRET not in str(wrong)


def test_a_host_of_file_and_settings_is_polled_once() -> None:
    single, _ = urls_source(["snmp://a"], 60)
    (work,) = works(source("file", 60, "hardware.cpu.util", urls=("snmp://a",)), single)
    assert work.name == "file: snmp://a"
    assert chosen(work) == METERS.keys()
    assert "left_out" not in work.chosen["selection"]


def test_a_source_of_snmp_hosts_alone_selects_nothing_of_agents() -> None:
    """Else each compute agent would poll itself at the pace of the switches."""
    hosts = source("hosts", 30, "hardware.*", urls=("snmp://a",))
    plan = ComputePlan([hosts], [], ComputeSources(), 10)
    assert plan.due(plan.intervals()) == []
    pollsters, _ = load_pollsters([])
    assert pollster_work(["ipmi", "central"], [hosts], pollsters.values(), None) == []
    own = source("own", 60, "hardware.cpu.util")
    both = ComputePlan([hosts, own], [], ComputeSources(), 10)
    assert both.intervals() == [60]
    (planned,) = both.due({60.0})
    assert planned.interval_s == 60


def test_pollsters_are_not_given_the_snmp_hosts_beside_their_own_resources() -> None:
    pollsters, _ = load_pollsters([])
    mixed = source("mixed", 60, "hardware.ipmi.fan", urls=("snmp://a", "other"))
    (work,) = pollster_work(["ipmi"], [mixed], pollsters.values(), None)
    assert work.source._resources == ["other"]  # type: ignore[attr-defined]


POLLING = """\
sources:
  - name: hosts
    interval: 60
    meters: [{meters}]
    resources:
      - snmp://10.0.0.1
      - {url}
"""


def write(folder: Path, meters: str = '"hardware.*"', url: str = "snmp://b") -> Path:
    file = folder / "polling.yaml"
    file.write_text(POLLING.format(meters=meters, url=url))
    return file


def test_a_wrong_url_in_a_polling_file_is_a_fault_with_its_line(tmp_path: Path) -> None:
    _, (fault,) = read_polling(write(tmp_path, url=f"snmp://u:{SECRET}@h?priv_proto=aes"))
    assert str(fault).startswith(f"{tmp_path}/polling.yaml:7: source 'hosts': snmp://h: priv_proto")
    assert SECRET not in str(fault)


@pytest.mark.parametrize(
    ("meters", "said"),
    [
        ('"hardware.*"', []),
        ("hardware.cpu.util, hardware.uptime", ["no SNMP meter is hardware.uptime"]),
        ("cpu", ["no SNMP meter is cpu"]),
    ],
)
def test_names_that_snmp_hosts_do_not_have_are_told(
    tmp_path: Path, meters: str, said: list[Any]
) -> None:
    sources, faults = read_polling(write(tmp_path, meters))
    assert not faults
    told = unmatched(sources, COMPUTE_METERS, METERS)
    assert [one.text for one in told] == [f"source 'hosts': {text}" for text in said]
    assert all(one.line == 4 for one in told)


def test_meters_of_snmp_hosts_only_are_unknown_where_no_host_is_named() -> None:
    sources = [source("s", 60, "hardware.system_stats.cpu.idle", "hardware.cpu.util")]
    (fault,) = unmatched(sources, COMPUTE_METERS, METERS)
    assert fault.text.endswith("no pollster is hardware.system_stats.cpu.idle")
