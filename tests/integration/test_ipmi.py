"""The IPMI pollsters: Debian's ipmitool over lanplus against OpenIPMI's ipmi_sim."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pollers.batch import BatchBuilder
from pollers.polling_file import PollingSource
from pollers.polls import run_poll
from pollers.pollsters import node_manager
from pollers.pollsters.loading import load_pollsters
from pollers.work import pollster_work
from telemetry_site.selection import Selection
from tests.samples import samples_of, values_of
from tests.support import bmc
from tests.support.bmc import PASSWORD, Bmc, Sensor
from tests.support.polling import SLOT_US, poll_with, pollsters_of

SENSORS = (
    Sensor("SSB Therm Trip", bmc.TEMPERATURE, 0, 1, is_discrete=True),
    Sensor("BB P1 VR Temp", bmc.TEMPERATURE, bmc.DEGREES_C, 25),
    Sensor("Inlet", bmc.TEMPERATURE, bmc.DEGREES_F, 77),
    Sensor("Off", bmc.TEMPERATURE, bmc.DEGREES_C, None),
    Sensor("System Fan 1", bmc.FAN, bmc.RPM, 112, factor=42),
    Sensor("PS1 Curr Out", bmc.CURRENT, bmc.AMPS, 11),
    Sensor("Pwr Consumption", bmc.CURRENT, bmc.WATTS, 77, factor=2),
    Sensor("BB +12.0V", bmc.VOLTAGE, bmc.VOLTS, 12),
)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bmc]:
    with bmc.bmc(tmp_path_factory.mktemp("bmc"), SENSORS) as running:
        yield running


@pytest.fixture(autouse=True)
def _host(settings: Any) -> Iterator[None]:
    settings.TELEMETRY_ALLOW_HOST_COMMAND = True
    settings.TELEMETRY_HOST = "node1"
    node_manager._known.clear()
    yield
    node_manager._known.clear()


def use(found: Bmc, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found.install(folder)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def poll(*meters: str) -> BatchBuilder:
    stock, _ = load_pollsters([])
    sensors = [PollingSource("s", 60, Selection(meters))]
    builder = BatchBuilder("test")
    for work in pollster_work(["ipmi"], sensors, stock.values(), None):
        run_poll(work.source, builder, SLOT_US, 60)
    return builder


def test_sensors_are_samples(board: Bmc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(board, tmp_path, monkeypatch)
    sensors = [f"hardware.ipmi.{kind}" for kind in ("temperature", "fan", "current", "voltage")]
    builder = poll(*sensors, "hardware.ipmi.power")
    assert [report.outcome for report in builder.reports] == ["ok"] * 4, builder.reports
    assert values_of(builder) == {
        ("node1-bb_p1_vr_temp_(0x2)", "hardware.ipmi.temperature"): 25,
        ("node1-inlet_(0x3)", "hardware.ipmi.temperature"): 77,
        ("node1-system_fan_1_(0x5)", "hardware.ipmi.fan"): 4704,
        ("node1-ps1_curr_out_(0x6)", "hardware.ipmi.current"): 11,
        ("node1-pwr_consumption_(0x7)", "hardware.ipmi.power"): 154,
        ("node1-bb_+12.0v_(0x8)", "hardware.ipmi.voltage"): 12,
    }
    samples = samples_of(builder)
    fan = samples["node1-system_fan_1_(0x5)", "hardware.ipmi.fan"]
    assert fan.resource.metadata == {"node": "node1", "maximum_rpm": "8400.000"}
    assert (fan.series.unit, fan.resource.type) == ("RPM", "ipmi_sensor")
    units = {key[0]: sample.series.unit for key, sample in samples.items()}
    assert units["node1-bb_p1_vr_temp_(0x2)"] == "C"
    assert units["node1-inlet_(0x3)"] == "F", "the sensor's own, though the meter's is C"
    assert units["node1-pwr_consumption_(0x7)"] == "W"
    assert units["node1-bb_+12.0v_(0x8)"] == "V"


def test_the_node_manager_is_found_behind_its_bus_and_tells_of_the_machine(
    board: Bmc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(board, tmp_path, monkeypatch)
    builder = poll("hardware.ipmi.node.*")
    assert {report.outcome for report in builder.reports} == {"ok"}, builder.reports
    prefix = "hardware.ipmi.node."
    found = {meter.removeprefix(prefix): value for (_, meter), value in values_of(builder).items()}
    assert found == {
        "power": 410, "temperature": 24, "inlet_temperature": 24, "outlet_temperature": 38,
        "airflow": 57, "cups": 290, "cpu_util": 51, "mem_util": 13, "io_util": 5,
    }  # fmt: skip
    power = samples_of(builder)["node1", f"{prefix}power"]
    assert (power.resource.type, power.resource.metadata) == ("ipmi", {"node": "node1"})
    units = {meter.removeprefix(prefix): one.series.unit
             for (_, meter), one in samples_of(builder).items()}  # fmt: skip
    assert units == {
        "power": "W", "temperature": "C", "inlet_temperature": "C", "outlet_temperature": "C",
        "airflow": "CFM", "cups": "CUPS", "cpu_util": "%", "mem_util": "%", "io_util": "%",
    }  # fmt: skip


def test_the_boards_records_are_read_once_for_all_meters(
    board: Bmc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = board.install(tmp_path)
    script.write_text(script.read_text().replace("exec", f'echo "$@" >> {tmp_path}/asked\nexec'))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    poll("hardware.ipmi.node.*")
    poll("hardware.ipmi.node.*")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert sum(line.startswith("sdr dump") for line in asked) == 1
    assert sum(" raw " in line for line in asked) == 2 * 6, "two temperatures share, three shares"


def test_a_board_without_a_node_manager_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bmc").mkdir()
    with bmc.bmc(tmp_path / "bmc", SENSORS[:2], has_engine=False) as plain:
        use(plain, tmp_path, monkeypatch)
        builder = poll("hardware.ipmi.*")
    assert {report.outcome for report in builder.reports} == {"ok"}, builder.reports
    skipped = [one.details["skipped"] for one in builder.reports if "skipped" in one.details]
    assert skipped == ["node_manager finds nothing"] * 6
    assert list(values_of(builder)) == [("node1-bb_p1_vr_temp_(0x2)", "hardware.ipmi.temperature")]


def test_controllers_over_the_network_by_a_definition_of_ones_own(
    board: Bmc, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    port = board.arguments[board.arguments.index("-p") + 1]
    login = f"-I lanplus -C 3 -p {port} -U telemetry -f {password}"
    written = {
        "name": "bmc.temperature", "sample_type": "gauge", "unit": "C",
        "host_command": f"'/usr/bin/ipmitool {login} -H ' + resource"
        " + ' sdr -v type Temperature'",
        "response_handlers": ["blocks"],
        "value_attribute": ". | value['Sensor Reading'].split()[0]"
        " if 'Sensor Type (Discrete)' not in value else None",
        "skip_sample_values": ["Disabled"],
        "resource_id_attribute": "Sensor ID | resource + '/' + value",
    }  # fmt: skip
    builder, report, _ = poll_with(pollsters_of(tmp_path, written), resources=["127.0.0.1"])
    assert report.outcome == "ok", report
    assert values_of(builder)["127.0.0.1/BB P1 VR Temp (0x2)", "bmc.temperature"] == 25


def test_a_controller_that_is_away_is_an_error_in_words(
    board: Bmc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Bmc((*board.arguments[:-1], "wrong"), board.program)
    use(lost, tmp_path, monkeypatch)
    (report,) = poll("hardware.ipmi.fan").reports
    assert report.outcome == "error"
    assert "the command ended with status 1: " in report.errors[0]
    assert "Unable to establish IPMI" in report.errors[0]


def test_a_host_without_ipmitool_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    errors = {report.errors[0] for report in poll("hardware.ipmi.*").reports}
    assert errors == {"the command cannot be run: No such file or directory"}


def test_the_compute_agent_does_not_ask_for_sensors_unasked() -> None:
    stock, _ = load_pollsters([])
    everything = [PollingSource("s", 60, Selection(["*"]))]
    assert pollster_work(["compute"], everything, stock.values(), None) == []
