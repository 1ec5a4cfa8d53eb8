"""Figures of several processes are there, whatever one of them was killed at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from telemetry_site.listener import Figures

COUNT = "import prometheus_client as p; p.Counter('seen_total', 'Seen.').inc(3)"


def test_a_file_that_a_killed_process_left_empty_hides_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", COUNT], env=environment, check=True)
    (tmp_path / "counter_1.db").touch()
    registry = CollectorRegistry()
    Figures(registry, path=str(tmp_path))  # type: ignore[no-untyped-call]
    assert registry.get_sample_value("seen_total") == 3.0
