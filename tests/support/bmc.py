"""A board's controller, played by OpenIPMI's ipmi_sim, and Debian's ipmitool that asks it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ports import free_port

USER, PASSWORD = "telemetry", "bmc-not-to-be-seen"
CONTROLLER, ENGINE = 0x20, 0x2C
TEMPERATURE, VOLTAGE, CURRENT, FAN = 1, 2, 3, 4
DEGREES_C, DEGREES_F, VOLTS, AMPS, WATTS, RPM = 1, 2, 4, 5, 6, 18
INTEL = (0x57, 0x01, 0x00)
STARTS_WITHIN_S = 30.0


@dataclass(frozen=True)
class Sensor:
    """`raw` times `factor` is its reading; None where it is switched off."""

    name: str
    kind: int
    unit: int
    raw: int | None
    factor: int = 1
    is_discrete: bool = False

    def record(self, number: int) -> list[int]:
        """Its full record (IPMI 2.0, table 43-1)."""
        units = 0xC0 if self.is_discrete else 0  # no analog reading
        body = [
            CONTROLLER, 0, number, 7, 1, 0x7F, 0x68, self.kind, self._reading_type,
            *[0] * 6, units, self.unit, 0, 0, self.factor, 0, 0, 0, 0, 0,
            7, 32, 200, 0, 255, 0, *[0] * 11, 0xC0 | len(self.name), *self.name.encode(),
        ]  # fmt: skip
        return [0, 0, 0x51, 1, len(body), *body]

    def commands(self, number: int) -> Iterator[str]:
        place = f"{CONTROLLER:#x} 0 {number}"
        yield f"sensor_add {place} {self.kind} {self._reading_type}"
        if self.raw is not None:
            yield f"sensor_set_value {place} {self.raw} 0"
            yield f"sensor_set_event_support {place} disable scanning none{f' {0:015}' * 4}"
        yield f"main_sdr_add {CONTROLLER:#x} {_bytes(self.record(number))}"

    @property
    def _reading_type(self) -> int:
        return 3 if self.is_discrete else 1


@dataclass(frozen=True)
class Bmc:
    """`arguments` are those by which ipmitool reaches it."""

    arguments: tuple[str, ...]
    program: str

    def install(self, folder: Path) -> Path:
        """An `ipmitool` that asks this controller in place of the host's own."""
        script = folder / "ipmitool"
        words = " ".join((self.program, *self.arguments))
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        script.chmod(0o755)
        return script


@contextmanager
def bmc(folder: Path, sensors: Iterable[Sensor], has_engine: bool = True) -> Iterator[Bmc]:
    """`has_engine`: with Intel's Node Manager. Skips the test where a package is missing."""
    simulator, tool = shutil.which("ipmi_sim"), shutil.which("ipmitool", path="/usr/bin")
    if simulator is None or tool is None or not Path("/usr/include/OpenIPMI/mcserv.h").exists():
        pytest.skip("ipmitool, openipmi or libopenipmi-dev is missing (deploy/apt-test.txt)")
    port = free_port()
    (folder / "state").mkdir()
    (folder / "lan.conf").write_text(_configuration(port, _engine_library(folder)))
    (folder / "commands").write_text("\n".join(_commands(sensors, has_engine)) + "\n")
    words = f"-I lanplus -C 3 -H 127.0.0.1 -p {port} -U {USER} -P {PASSWORD}"
    found = Bmc(tuple(words.split()), tool)
    argv = [simulator, "-n", "-c", "lan.conf", "-f", "commands", "-s", "state"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _await(found, process)
        yield found
    finally:
        process.terminate()
        process.wait(10)


def _await(found: Bmc, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    command = [found.program, *found.arguments, "mc", "info"]
    while time.monotonic() < end and process.poll() is None:
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
    pytest.fail("ipmi_sim does not answer")


def _configuration(port: int, library: Path) -> str:
    logins = "\n".join(
        f"allowed_auths_{level} none md2 md5 straight"
        for level in ("callback", "user", "operator", "admin")
    )
    return f"""name "bmc"
loadlib "{library}" ""
set_working_mc {CONTROLLER:#x}
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    {logins}
    guid a123456789abcdefa123456789abcdef
  endlan
  user 2 true "{USER}" "{PASSWORD}" admin 10 none md2 md5 straight
"""


def _commands(sensors: Iterable[Sensor], has_engine: bool) -> Iterator[str]:
    maker = "0x000157"
    yield f"mc_setbmc {CONTROLLER:#x}"
    yield f"mc_add {CONTROLLER:#x} 0 no-device-sdrs 0x23 9 8 0x9f {maker} 0x0f02"
    for number, sensor in enumerate(sensors, start=1):
        yield from sensor.commands(number)
    if has_engine:
        body = [*INTEL, 0x0D, 0x01, ENGINE, 0x00, 0x1D, 0x18, 0x19, 0x1A]
        yield f"main_sdr_add {CONTROLLER:#x} {_bytes([0, 0, 0x51, 0xC0, len(body), *body])}"
        yield f"mc_add {ENGINE:#x} 1 no-device-sdrs 0x01 3 0 0x21 {maker} 0x0b05"
        yield f"mc_enable {ENGINE:#x}"
    yield f"mc_enable {CONTROLLER:#x}"


def _engine_library(folder: Path) -> Path:
    made, source = folder / "node_manager.so", Path(__file__).with_name("node_manager.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", made, source], check=True)
    return made


def _bytes(values: Iterable[int]) -> str:
    return " ".join(f"{value:#x}" for value in values)
