"""Shell lines of `host_command`."""

from __future__ import annotations

import os
import signal
import subprocess

from pollers.pollsters.fetching import FetchError


def run_shell(line: str, limit_s: float) -> tuple[int, bytes]:
    """(status, output and errors). What the line has started ends with it when its time is over.

    Raises `FetchError`.
    """
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise FetchError(f"the command cannot be run: {error.strerror}") from None
    with process:
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise FetchError(f"the command did not end within {limit_s:.3g} s") from None
    return process.returncode, output
