"""Commands of `host_command`: words and no shell (S37)."""

from __future__ import annotations

import os
import selectors
import shlex
import signal
import subprocess
import time

from pollers.pollsters.fetching import MAX_BYTES, FetchError


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
    end = time.monotonic() + limit_s
    with process:
        try:
            output = _read(process, end)
            return process.wait(max(end - time.monotonic(), 0.01)), output
        except (subprocess.TimeoutExpired, FetchError) as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, FetchError):
                raise
            raise FetchError(f"the command did not end within {limit_s:.1f} s") from None


def _read(process: subprocess.Popen[bytes], end: float) -> bytes:
    """All that it writes, until it closes its output.

    Raises `TimeoutExpired`, and `FetchError` for more than an answer may have.
    """
    assert process.stdout is not None
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = end - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise subprocess.TimeoutExpired(process.args, 0)
            piece = os.read(process.stdout.fileno(), 64 * 1024)
            if not piece:
                return bytes(output)
            output += piece
            if len(output) > MAX_BYTES:
                raise FetchError(f"the command writes more than {MAX_BYTES >> 20} MiB")
