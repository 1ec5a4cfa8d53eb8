"""A built wheel holds everything that the checkout has, and works where it is unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry_site.paths import ROOT

PACKAGES = ("telemetry_site/", "meters/", "alarms/", "pollers/")
#: Folders beside the packages → what they are in a wheel.
DATA = {"templates/": "telemetry_site/templates/", "docs/": "telemetry_site/docs/"}


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def name_in_wheel(name: str) -> str | None:
    """None for what is no part of the product."""
    if name.startswith(PACKAGES):
        return name
    return next(
        (name.replace(here, there, 1) for here, there in DATA.items() if name.startswith(here)),
        None,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Of a copy of the tracked files: what lies about in the checkout must not get in."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--wheel-dir", out, copy],
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = out.glob("*.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


def test_a_wheel_holds_every_file_of_the_product_and_no_other(wheel: zipfile.ZipFile) -> None:
    wanted = {name_in_wheel(name) for name in tracked()} - {None}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert len(wanted) > 800
    assert held == wanted


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["check_definitions"], "no faults"),
        (["poll_once", "host", "--format", "json"], "hardware.cpu.load.1min"),
        (["findstatic", "ui/ui.css"], "telemetry_site/templates/static/ui/ui.css"),
        (
            ["shell", "-c", "from django.template.loader import get_template as one; "
             "print(one('ui/docs.html').origin)"],
            "telemetry_site/templates/ui/docs.html",
        ),
        (
            ["shell", "-c", "from meters.ui.views import docs; print(docs.search(['snmp']))"],
            "reference/snmp.md",
        ),
    ],
)  # fmt: skip
def test_commands_of_an_unpacked_wheel_find_what_they_need(
    wheel: zipfile.ZipFile, tmp_path: Path, command: list[str], said: str
) -> None:
    wheel.extractall(tmp_path / "packages")
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
        "PYTHONPATH": str(tmp_path / "packages"), "XDG_STATE_HOME": str(tmp_path / "state"),
        "TELEMETRY_HOME": "",
    }  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-m", "telemetry_site", *command], cwd=tmp_path, env=env,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert said in found.stdout.replace("\n", ""), found.stdout + found.stderr
