"""gnocchiclient's own functional tests, and ours of every command, with its real commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.outcomes import Outcome
from tests.compat.pytest_process import run_files
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS = {"TELEMETRY_METRIC_API_MAX_LIMIT": "1000", "TELEMETRY_BASIC_AUTH": "1"}
COMMANDS = Path(__file__).with_name("commands.py")


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, file by file."""
    (functional,) = environment.glob("lib/*/site-packages/gnocchiclient/tests/functional")
    paths = {path.stem.removeprefix("test_"): path for path in sorted(functional.glob("test_*.py"))}
    del paths["benchmark"]  # upstream skips it, too: its commands may hang
    found = paths | {"commands": COMMANDS}  # last: it leaves resource types, theirs counts them
    client = {
        "PIFPAF_GNOCCHI_HTTP_URL": server.url,
        "GNOCCHI_CLIENT_EXEC_DIR": str(environment / "bin"),
    }
    yield from run_files(environment, found, files, client)
