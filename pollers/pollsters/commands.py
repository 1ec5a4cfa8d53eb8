"""Commands of `host_command`: words and no shell (S37)."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess

from pollers.pollsters.fetching import FetchError


def run_command(line: str, limit_s: float) -> tuple[int, bytes]:
    """(status, output and errors). The line is cut into words as a shell does, and nothing else in
    it means anything. What it has started ends with it when its time is over.

    Raises `FetchError`.
    """
    try:
        words = shlex.split(line)
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError, IndexError) as error:
        why = error.strerror if isinstance(error, OSError) else f"no command line ({error})"
        raise FetchError(f"the command cannot be run: {why}") from None
    with process:
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise FetchError(f"the command did not end within {limit_s:.3g} s") from None
    return process.returncode, output
