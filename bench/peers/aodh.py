"""aodh's evaluator on gnocchi, over the stage's PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from bench.peers import cache_directory

VERSION = "23.0.0"
REQUIREMENTS = (
    f"aodh=={VERSION}", "gnocchi[file]==4.7.1", "gnocchiclient==7.2.0", "uwsgi==2.0.31",
    "psycopg[binary]==3.3.9", "psycopg2-binary==2.9.13", "sqlalchemy-utils", "psutil",
)  # fmt: skip


def aodh_cycles(alarms: int, rounds: int, postgres: psutil.Process) -> dict[str, Any]:
    """What cycles over so many quiet threshold alarms cost (see `bench.stage.costs`)."""
    from telemetry_site.embedded.postgres import EmbeddedPostgres

    python = environment() / "bin" / "python"
    databases = []
    for name in ("aodh", "gnocchi"):
        EmbeddedPostgres().ensure_database(name)
        databases.append(EmbeddedPostgres().url(name))
    with tempfile.TemporaryDirectory(prefix="bench-aodh-") as folder:
        arguments = [folder, *databases, str(postgres.pid), str(alarms), str(rounds)]
        ran = subprocess.run(
            [python, "-m", "bench.peers.aodh_evaluator", *arguments],
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
            stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    if ran.returncode:
        sys.exit("aodh's evaluator failed, see above.")
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def environment() -> Path:
    """The virtual environment with aodh."""
    venv = cache_directory() / f"aodh-{VERSION}"
    made = venv / "made"
    if not made.exists():
        print(f"Installing aodh {VERSION} in {venv} …", flush=True)
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--clear", "-q", "--python", sys.executable, venv], check=True)
        install = [uv, "pip", "install", "-q", "--python", venv / "bin" / "python"]
        subprocess.run([*install, *REQUIREMENTS], check=True)
        made.touch()
    return venv
