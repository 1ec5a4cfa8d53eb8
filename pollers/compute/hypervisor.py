"""The hypervisor behind a process that may be killed (see `pollers.compute.child`)."""

from __future__ import annotations

import importlib.util
import os
import selectors
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import structlog

from pollers import poll_metrics
from pollers.compute.addresses import advice
from pollers.compute.aside import Aside
from pollers.compute.rows import DomainRow, is_held
from pollers.errors import PollersError, SourceError
from pollers.urls import without_secrets

log = structlog.get_logger(__name__)

CHILD = Path(__file__).with_name("child.py")
#: Shares of a poll's deadline: the call for all domains, and one domain asked by itself.
BULK_SHARE = 0.5
SINGLE_SHARE = 0.25


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


class Hypervisor:
    """All domains' numbers in one call, within a deadline, whatever a guest's monitor does."""

    def __init__(self, uri: str, deadline_s: float) -> None:
        self.uri = uri
        self.shown_uri = without_secrets(uri)
        self.aside = Aside()
        self._deadline_s = deadline_s
        self._budget = Budget(deadline_s)
        self._child: ChildProcess | None = None
        self._lock = threading.Lock()

    def read(self) -> tuple[list[DomainRow], list[str]]:
        """One reading: (rows, problems). Raises `SourceError` when the hypervisor itself fails.

        1. One call for all domains but those set aside, with half of the deadline.
        2. If it hangs, kill it and ask each domain by itself: whose call hangs, too, is set
           aside; so is one that libvirt passes over because the first call still waits on it.
        3. Domains set aside earlier, whose time has come, are tried each by itself.
        """
        with self._lock:
            self._budget = Budget(self._deadline_s)
            try:
                rows, problems = self._read(self.aside.start_poll())
            except NoAnswerError as error:
                raise SourceError(f"libvirt at {self.shown_uri} does not answer") from error
            except HypervisorError as error:
                raise SourceError(f"libvirt at {self.shown_uri}: {error}") from error
            poll_metrics.DOMAINS_ASIDE.set(len(self.aside))
            return rows, problems + self.aside.sentences()

    def xml(self, uuids: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        """({uuid: domain XML}, {uuid: why not}) within what is left of the reading's deadline

        (a second at least). A domain that is gone is in neither.

        Raises `NoAnswerError` or `HypervisorError`.
        """
        with self._lock:
            within_s = max(self._budget.left(self._deadline_s), 1.0)
            texts, refused = self._call({"do": "xml", "only": uuids}, within_s)
            return texts, refused

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _read(self, due: dict[str, str]) -> tuple[list[DomainRow], list[str]]:
        """`due`: {uuid: name} of those aside that are to be tried again."""
        try:
            rows = self._stats({"skip": self.aside.uuids}, self._deadline_s * BULK_SHARE)
        except NoAnswerError:
            return self._search()
        found, problems = self._ask_each(due)
        return rows + found, problems

    def _search(self) -> tuple[list[DomainRow], list[str]]:
        """The call for all hung: ask each domain by itself."""
        listed = dict(self._call({"do": "list"}, self._single_s()))
        before = len(self.aside)
        asked = {uuid: name for uuid, name in listed.items() if uuid not in self.aside}
        rows, problems = self._ask_each(asked)
        if len(self.aside) == before and not problems:
            seconds = self._deadline_s * BULK_SHARE
            problems = [f"one call for all domains took over {seconds:g} s, each alone answers"]
        return rows, problems

    def _ask_each(self, names: dict[str, str]) -> tuple[list[DomainRow], list[str]]:
        """Ask the domains {uuid: name} one by one, as long as there is time."""
        rows: list[DomainRow] = []
        for place, (uuid, name) in enumerate(names.items()):
            if self._single_s() <= 0:
                return rows, [f"no time left to ask {len(names) - place} domains"]
            rows += self._ask_one(uuid, name)
        return rows, []

    def _ask_one(self, uuid: str, name: str) -> list[DomainRow]:
        try:
            rows = self._stats({"only": [uuid]}, self._single_s())
        except NoAnswerError:
            self._set_aside(uuid, name, hung=True)
            return []
        if rows and is_held(rows[0]):
            self._set_aside(uuid, name, hung=False)
        elif self.aside.release(uuid):
            log.info("domain answers again or is gone", domain=name, uuid=uuid)
        return rows

    def _single_s(self) -> float:
        return self._budget.left(self._deadline_s * SINGLE_SHARE)

    def _set_aside(self, uuid: str, name: str, *, hung: bool) -> None:
        if self.aside.put(uuid, name, hung=hung):
            log.warning("domain set aside: its monitor does not answer", domain=name, uuid=uuid)

    def _stats(self, which: dict[str, Any], within_s: float) -> list[DomainRow]:
        answer = self._call({"do": "stats"} | which, within_s)
        at_us = answer["at"] * 1000
        return [
            DomainRow(uuid, name, runtime_id, stats, at_us)
            for uuid, name, runtime_id, stats in answer["domains"]
        ]

    def _call(self, request: dict[str, Any], within_s: float) -> Any:
        """Ask; where an old connection turns out dead, ask once more on a new one."""
        proven = self._child is not None and self._child.answers > 0
        try:
            return self._ask(request, within_s)
        except HypervisorError as error:
            if not (error.lost and proven):
                raise
        return self._ask(request, within_s)

    def _ask(self, request: dict[str, Any], within_s: float) -> Any:
        self._child = self._child or ChildProcess(self.uri)
        try:
            return self._child.call(request, within_s)
        except NoAnswerError:
            self._drop()
            raise
        except HypervisorError as error:
            if error.lost:
                self._drop()
            raise

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


def libvirt_is_installed() -> bool:
    return importlib.util.find_spec("libvirt") is not None
