"""gnocchiclient's own functional tests, and ours of every command, with its real commands."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.compat.outcomes import Outcome
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS = {"TELEMETRY_METRIC_API_MAX_LIMIT": "1000", "TELEMETRY_BASIC_AUTH": "1"}
COMMANDS = Path(__file__).with_name("commands.py")


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, file by file."""
    (functional,) = environment.glob("lib/*/site-packages/gnocchiclient/tests/functional")
    paths = {path.stem.removeprefix("test_"): path for path in sorted(functional.glob("test_*.py"))}
    del paths["benchmark"]  # upstream skips it, too: its commands may hang
    found = {"commands": COMMANDS} | paths
    if unknown := set(files) - set(found):
        sys.exit(f"No such file: {', '.join(sorted(unknown))}; there are: {', '.join(found)}")
    for name, path in found.items():
        if not files or name in files:
            yield from _run_file(server, environment, name, path)


def _run_file(server: Server, environment: Path, name: str, path: Path) -> Iterator[Outcome]:
    """pytest of the client's environment; its own words go to the log of failures only."""
    client = {
        "PIFPAF_GNOCCHI_HTTP_URL": server.url,
        "GNOCCHI_CLIENT_EXEC_DIR": str(environment / "bin"),
    }
    with tempfile.TemporaryDirectory(prefix="compat-") as folder:
        xml = Path(folder, "outcomes.xml")
        options = ["-q", "--noconftest", "-c", os.devnull, "-p", "no:cacheprovider"]
        ran = subprocess.run(
            [environment / "bin" / "python", "-m", "pytest", *options, f"--junitxml={xml}", path],
            env=_plain_environment() | client, cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if ran.returncode not in (0, 1):
            sys.exit(f"pytest ended with {ran.returncode}:\n{ran.stdout}")
        yield from (_outcome(name, case) for case in ElementTree.parse(xml).iter("testcase"))


def _plain_environment() -> dict[str, str]:
    """Without a cloud's credentials, which would choose another way of logging in."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("OS_", "GNOCCHI"))
    }


def _outcome(file: str, case: ElementTree.Element) -> Outcome:
    trouble = [one for kind in ("failure", "error", "skipped") for one in case.iter(kind)]
    return Outcome(
        file=file,
        name=case.get("name", ""),
        verdict="failed" if trouble else "passed",
        seconds=float(case.get("time", 0)),
        expected="\n".join(one.get("message", "") for one in trouble),
        got="\n".join(_last_lines(one.text or "") for one in trouble),
    )


def _last_lines(text: str) -> str:
    """Where it happened."""
    return "\n".join(text.strip().splitlines()[-2:])
