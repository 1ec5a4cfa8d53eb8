"""gabbi in a suite's own environment, and the outcomes that it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.compat.outcomes import Outcome
from tests.compat.server import Server

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
    process = subprocess.Popen(
        [environment / "bin" / "python", "-P", PROCESS, package, url, *files],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | (variables or {}),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        ended = False
        for line in process.stdout:
            message = json.loads(line)
            if "begin" in message:
                server.empty()
                if prepare is not None:
                    prepare(message["begin"])
                print(file=process.stdin, flush=True)
            elif "end" in message:
                ended = True
            else:
                yield Outcome(**message)
    if process.returncode or not ended:
        sys.exit(f"gabbi's process ended early (exit code {process.returncode}).")
