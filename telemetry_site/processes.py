"""Child processes that never outlive us, and a record of them for the next start.

Three nets, because `kill -9` of the parent can happen at any instant:

1. the kernel ends each child with its parent (`setpriv --pdeathsig`);
2. an orderly stop ends every descendant that is left;
3. the `Ledger` on disk names every descendant by (pid, start time), so the next start ends what
   the first two missed and nobody else: a pid alone may have been given to another program.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from telemetry_site.errors import SiteError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Identity:
    """A process for sure: its pid, its start in clock ticks since boot, and which boot."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """None when there is no such process, or only its unreaped remains."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The second field is the program's name in parentheses and may hold anything.
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), _boot_id())

    @property
    def alive(self) -> bool:
        return Identity.of(self.pid) == self

    def signal(self, number: int) -> None:
        """Send a signal unless the process is gone."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def descendants(pid: int) -> list[Identity]:
    """All living processes below `pid`, without itself."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    found = (Identity.of(child.pid) for child in children)
    return [identity for identity in found if identity]


def kill_all(identities: Iterable[Identity], grace_s: float) -> None:
    """SIGTERM, then SIGKILL to what lives after `grace_s`; returns when all are gone."""
    left = [identity for identity in identities if identity.alive]
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 10.0)):
        for identity in left:
            identity.signal(number)
        left = wait_gone(left, wait_s)
    if left:
        pids = ", ".join(str(identity.pid) for identity in left)
        raise SiteError(f"These processes of an earlier start cannot be ended: {pids}.")


def wait_gone(identities: Iterable[Identity], timeout_s: float) -> list[Identity]:
    """Wait until all are gone; returns those that are not after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    left = list(identities)
    while left := [identity for identity in left if identity.alive]:
        if time.monotonic() >= deadline:
            break
        time.sleep(0.02)
    return left


class Ledger:
    """The file that names the processes of one start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: list[Identity] = []

    def read(self) -> list[Identity]:
        """What the last start recorded; a damaged file counts as empty (the kernel's net held)."""
        try:
            rows = json.loads(self.path.read_text())
            return [Identity(int(pid), int(started), str(boot)) for pid, started, boot in rows]
        except (FileNotFoundError, ValueError, TypeError):
            return []

    def write(self, identities: Iterable[Identity]) -> None:
        wanted = sorted(identities, key=lambda identity: identity.pid)
        if wanted == self._written:
            return
        rows = [(identity.pid, identity.started, identity.boot) for identity in wanted]
        write_atomically(self.path, json.dumps(rows))
        self._written = wanted

    def end_leftovers(self, grace_s: float = 5.0) -> int:
        """End what an earlier start left behind, with its descendants; returns how many."""
        left = {identity for identity in self.read() if identity.alive}
        for identity in list(left):
            left.update(descendants(identity.pid))
        kill_all(left, grace_s)
        self.path.unlink(missing_ok=True)
        return len(left)


def write_atomically(path: Path, text: str) -> None:
    """Replace the file as a whole: a reader sees the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


def spawn(
    argv: Sequence[str],
    *,
    env: dict[str, str] | None = None,
    output: int | IO[bytes] | None = None,
    stdin: int = subprocess.DEVNULL,
    death_signal: str = "KILL",
    privileges: Sequence[str] = (),
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that dies with us, in a session of its own (Ctrl-C reaches only the parent).

    `privileges` are further options of setpriv. The signal is set by setpriv and not between
    fork and exec: a change of user would clear it again. Call this from the main thread, since
    the kernel's rule is "when the *thread* that started the child ends".
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SiteError("The program setpriv (package util-linux) is missing.")
    return subprocess.Popen(
        [setpriv, "--pdeathsig", death_signal, *privileges, "--", *argv],
        env=env,
        cwd=cwd,
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
    )
