"""Failpoints: armed by the environment at the start, or by a file while the process runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry_site import failpoints
from telemetry_site.failpoints import FailpointError, failpoint


@pytest.fixture
def armed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(failpoints, "_directory", str(tmp_path))
    return tmp_path


def test_without_a_setting_nothing_happens() -> None:
    failpoint("collector.after_copy")


def test_the_environment_names_the_pass() -> None:
    program = (
        "from telemetry_site.failpoints import failpoint\n"
        "for number in range(9): print(number, flush=True); failpoint('a.b')"
    )
    env = {**os.environ, "TELEMETRY_FAILPOINTS": "a.b=kill9@3"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    numbers = [line for line in done.stdout.splitlines() if line.isdigit()]
    assert (done.returncode, numbers) == (-9, ["0", "1", "2"])


def test_a_file_arms_while_the_process_runs_and_fires_once(armed: Path) -> None:
    failpoint("a.b")
    (armed / "a.b").write_text("raise@2")
    failpoint("a.b")
    with pytest.raises(FailpointError):
        failpoint("a.b")
    assert (armed / "a.b.hit").exists()
    failpoint("a.b")


def test_each_arming_counts_anew(armed: Path) -> None:
    for _ in range(2):
        (armed / "a.b").write_text("raise@1")
        with pytest.raises(FailpointError):
            failpoint("a.b")


def test_an_unknown_action_is_an_error(armed: Path) -> None:
    (armed / "a.b").write_text("dance")
    with pytest.raises(ValueError, match="unknown action 'dance'"):
        failpoint("a.b")
