"""A process in a suite's own environment that tells the outcomes of its tests, line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.compat.outcomes import Outcome


def outcomes_of(
    name: str,
    command: Sequence[str | Path],
    serve: Callable[[dict[str, Any]], bool],
    variables: Mapping[str, str] | None = None,
) -> Iterator[Outcome]:
    """The outcome of each test, as it ends.

    `serve` does what a message asks for before the process goes on; False where it asks for
    nothing. `variables` are added to the process's environment.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | (variables or {}),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        ended = False
        for line in process.stdout:
            message = json.loads(line)
            if serve(message):
                print(file=process.stdin, flush=True)
            elif "end" in message:
                ended = True
            else:
                yield Outcome(**message)
    if process.returncode or not ended:
        sys.exit(f"{name} ended early (exit code {process.returncode}).")
