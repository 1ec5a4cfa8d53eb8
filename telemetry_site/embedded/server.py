"""What the two embedded servers have in common: a foreground child with a socket in `run_dir`."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from telemetry_site import paths
from telemetry_site.errors import SiteError
from telemetry_site.processes import Identity, spawn

#: The user that stands in for root where a server refuses to run as root.
UNPRIVILEGED_USER = "nobody"


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    def setpriv_options(self) -> list[str]:
        """Become this user but keep the right to pass closed directories (a home below /root).

        The secure bit makes access(2), by which initdb looks for its programs, heed that right.
        """
        return [
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            "--clear-groups",
            "--securebits=+no_setuid_fixup",
            "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override",
        ]


def stand_in_for_root(data: Path) -> Account | None:
    """Whom root must become for `data`: its owner, else `nobody`; None when we are not root."""
    if os.geteuid() != 0:
        return None
    if data.is_dir() and (status := data.stat()).st_uid != 0:
        return Account(status.st_uid, status.st_gid)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise SiteError(
            f"PostgreSQL refuses to run as root and there is no user {UNPRIVILEGED_USER}: "
            "start as another user or set DATABASE_URL."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def package_file(package: str, *pattern: str) -> Path:
    """A file shipped inside an installed package, found without importing it."""
    spec = find_spec(package)
    roots = list(spec.submodule_search_locations or []) if spec else []
    found = [path for root in roots for path in Path(root).glob("/".join(pattern))]
    if len(found) != 1:
        raise SiteError(f"The package {package} has no {'/'.join(pattern)} for this machine.")
    return found[0]


class EmbeddedServer(ABC):
    """A server with its data below `home` and its socket in `run`; start from the main thread."""

    name: str
    #: How the kernel tells the server that we died, and how we ask it to stop.
    death_signal: str
    stop_signal: signal.Signals
    #: Lines of its output that say nothing to an operator, as a regular expression.
    chatter: str = ""

    def __init__(self, home: Path | None = None, run: Path | None = None) -> None:
        self.home = home or paths.home()
        self.run = run or (paths.run_dir() if home is None else home / "run")
        self.data = self.home / self.name
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make the data directory, remove what a killed server left."""

    @abstractmethod
    def argv(self) -> list[str]: ...

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client gets an answer now."""

    def privileges(self) -> Sequence[str]:
        return ()

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

    def launch(self, output: int | IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        """Start without waiting for it (`wait_ready` does)."""
        self.prepare()
        self.process = spawn(
            self.argv(),
            env=self.environment(),
            output=output,
            death_signal=self.death_signal,
            privileges=self.privileges(),
            cwd=self.data,
        )
        return self.process

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Recovery after a crash may take long, so a living server gets a minute."""
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            code = self.process.poll() if self.process else -1
            if code is not None:
                raise SiteError(f"The embedded {self.name} ended at once (exit code {code}).")
            if time.monotonic() >= deadline:
                raise SiteError(
                    f"The embedded {self.name} gives no answer after {timeout_s:.0f} s."
                )
            time.sleep(0.02)

    def start(self, output: int | IO[bytes] | None = None) -> None:
        self.launch(output)
        self.wait_ready()

    def stop(self, number: signal.Signals | None = None, timeout_s: float = 30.0) -> None:
        """Stop and wait; `number` other than `stop_signal` to stop it the hard way."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number or self.stop_signal)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    @property
    def identity(self) -> Identity | None:
        return Identity.of(self.process.pid) if self.process else None


def make_private(directory: Path) -> None:
    """Make a directory that only its owner enters (data, sockets, status files)."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SiteError(f"The directory {directory} cannot be made: {error.strerror}.") from error
    if directory.stat().st_uid == os.geteuid():
        directory.chmod(0o700)
