"""The IPMI pollsters, with a program in ipmitool's place that prints what it prints."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from pollers.batch import BatchBuilder
from pollers.polling_file import PollingSource
from pollers.polls import run_poll
from pollers.pollsters.loading import load_pollsters
from pollers.work import pollster_work
from telemetry_site.selection import Selection
from tests.samples import samples_of, values_of
from tests.support.polling import SLOT_US

#: Lines of `ipmitool sdr -v type …`; a discrete sensor has states in place of a reading.
BLOCK = """\
Sensor ID              : {name}
 Entity ID             : 7.1 (System Board)
 Sensor Type (Analog)  : {kind}
 Sensor Reading        : {reading}
 Normal Maximum        : 4000.000
"""
DISCRETE = """\
Sensor ID              : SSB Therm Trip (0xd)
 Entity ID             : 7.1 (System Board)
 Sensor Type (Discrete): Temperature
"""


def block(name: str, kind: str, reading: str) -> str:
    return BLOCK.format(name=name, kind=kind, reading=reading)


ANSWERS = {
    "Temperature": "\n".join([
        DISCRETE, block("BB P1 VR Temp (0x20)", "Temperature", "25 (+/- 0) degrees C"),
        block("Off (0x21)", "Temperature", "Disabled"),
    ]),
    "Fan": block("System Fan 1 (0x30)", "Fan", "4704.000 (+/- 0) RPM"),
    "Current": "\n".join([
        block("PS1 Curr Out % (0x58)", "Current", "11 (+/- 0) Amps"),
        block("Pwr Consumption (0x76)", "Current", "154 (+/- 0) Watts"),
    ]),
    "Voltage": block("BB +5.0V (0xd1)", "Voltage", "4.990 (+/- 0) Volts"),
    "get Pwr Consumption": block("Pwr Consumption (0x76)", "Current", "154 (+/- 0) Watts"),
}  # fmt: skip


@pytest.fixture
def ipmitool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    settings.TELEMETRY_ALLOW_HOST_COMMAND = True
    settings.TELEMETRY_HOST = "node1"
    program = tmp_path / "ipmitool"
    cases = "".join(f"*'{end}') cat <<'EOF'\n{text}\nEOF\n;;\n" for end, text in ANSWERS.items())
    program.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}*) exit 1;;\nesac\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def poll() -> BatchBuilder:
    stock, _ = load_pollsters([])
    sensors = [PollingSource("s", 60, Selection(["hardware.ipmi.*"]))]
    builder = BatchBuilder("test")
    for work in pollster_work(["ipmi"], sensors, stock.values(), None):
        run_poll(work.source, builder, SLOT_US, 60)
    return builder


def test_sensors_are_samples(ipmitool: Path) -> None:
    builder = poll()
    assert [report.outcome for report in builder.reports] == ["ok"] * 5, builder.reports
    assert values_of(builder) == {
        ("node1-bb_p1_vr_temp_(0x20)", "hardware.ipmi.temperature"): 25,
        ("node1-system_fan_1_(0x30)", "hardware.ipmi.fan"): 4704,
        ("node1-ps1_curr_out_%_(0x58)", "hardware.ipmi.current"): 11,
        ("node1-bb_+5.0v_(0xd1)", "hardware.ipmi.voltage"): 4.99,
        ("node1-pwr_consumption_(0x76)", "hardware.ipmi.power"): 154,
    }
    fan = samples_of(builder)["node1-system_fan_1_(0x30)", "hardware.ipmi.fan"]
    assert fan.resource.metadata == {"node": "node1", "maximum_rpm": "4000.000"}
    assert (fan.series.unit, fan.resource.type) == ("RPM", "ipmi_sensor")


def test_a_host_without_ipmitool_says_so(
    ipmitool: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    (error, *_) = (report.errors[0] for report in poll().reports)
    assert error == "the command cannot be run: No such file or directory"


def test_the_compute_agent_does_not_ask_for_sensors_unasked() -> None:
    stock, _ = load_pollsters([])
    everything = [PollingSource("s", 60, Selection(["*"]))]
    assert pollster_work(["compute"], everything, stock.values(), None) == []
