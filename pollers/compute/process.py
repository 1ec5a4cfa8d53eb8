"""The process that calls libvirt (`pollers.compute.child`), and asking it within a time."""

from __future__ import annotations

import os
import selectors
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import structlog

from pollers.compute.addresses import advice
from pollers.errors import PollersError

log = structlog.get_logger(__name__)

CHILD = Path(__file__).with_name("child.py")


class NoAnswerError(PollersError):
    """The deadline passed; the process was killed."""


class HypervisorError(PollersError):
    """libvirt refused; the text is its own sentence, and what to do about it.

    `lost`: a new connection is needed.
    """

    def __init__(self, text: str, lost: bool = False, code: int = 0) -> None:
        to_do = advice(code, text)
        super().__init__(f"{text} — {to_do}" if to_do else text)
        self.lost = lost


class Budget:
    """What is left of a poll's deadline."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, at_most: float) -> float:
        return min(at_most, self._end - time.monotonic())


class ChildProcess:
    """One process with one connection; one request at a time."""

    def __init__(self, uri: str) -> None:
        self.answers = 0
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(CHILD), uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, request: dict[str, Any], within_s: float) -> Any:
        """The answer to `request`. Raises `NoAnswerError` (process killed) or `HypervisorError`."""
        budget = Budget(within_s)
        body = msgspec.msgpack.encode(request)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(struct.pack(">I", len(body)) + body)
        except BrokenPipeError:
            raise self._ended() from None
        (size,) = struct.unpack(">I", self._read(4, budget))
        answer = msgspec.msgpack.decode(self._read(size, budget))
        self.answers += 1
        if "error" in answer:
            raise HypervisorError(answer["error"], answer["lost"], answer["code"])
        return answer["ok"]

    def kill(self) -> None:
        self._process.kill()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:  # in the kernel, on a dead file system: not ours to wait
            log.warning("libvirt process does not die", pid=self._process.pid)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._selector.close()

    def _read(self, size: int, budget: Budget) -> bytes:
        assert self._process.stdout is not None
        received = bytearray()
        while len(received) < size:
            left = budget.left(3600)
            if left <= 0 or not self._selector.select(left):
                raise NoAnswerError("no answer before the deadline")
            piece = os.read(self._process.stdout.fileno(), min(size - len(received), 1 << 20))
            if not piece:
                raise self._ended()
            received += piece
        return bytes(received)

    def _ended(self) -> HypervisorError:
        code = self._process.wait()
        return HypervisorError(f"the libvirt process ended with code {code}", lost=True)
