"""gabbi in a suite's own environment, and the outcomes that it tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.compat.outcomes import Outcome
from tests.compat.server import Server
from tests.compat.suite_process import outcomes_of

PROCESS = Path(__file__).with_name("gabbi_process.py")


def run_gabbi(
    package: str,
    url: str,
    server: Server,
    environment: Path,
    files: Sequence[str],
    prepare: Callable[[str], None] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Outcome]:
    """The outcome of each test of a package's files (all, if none is chosen), as it ends.

    `prepare` stores what the tests of a file find, after the server was emptied; `variables` are
    what they take from their environment.
    -P: modules of this folder have names of packages.
    """

    def serve(message: dict[str, Any]) -> bool:
        if "begin" not in message:
            return False
        server.empty()
        if prepare is not None:
            prepare(message["begin"])
        return True

    command = [environment / "bin" / "python", "-P", PROCESS, package, url, *files]
    yield from outcomes_of("gabbi's process", command, serve, variables)
