"""A process that has loaded everything and forks roles from itself.

Loading Django, Celery and numpy costs about 2 s of CPU a process; seven of them made `up` take
11 s on two cores. A nursery loads once for the settings "server" and once for "agent"; a role
forked from it starts in a tenth of a second, also when it must be started again, and shares its
memory. See docs/decisions/0003.

Both sides talk over a SEQPACKET socket (one message, one packet), the nursery's standard input:

- `{"role": name, "id": n}` with two descriptors (stdout, stderr) asks for a role;
- `{"id": n, "pid": pid}` and later `{"id": n, "code": returncode}` answer.

This module's client side (`Nursery`) is for the supervisor and imports nothing heavy.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import time
from typing import Any

from telemetry_site import paths
from telemetry_site.processes import spawn

_LOOK_EVERY_S = 0.1
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_PACKET = 4096


class ForkedProcess:
    """What the supervisor needs of `subprocess.Popen`, for a child of the nursery."""

    def __init__(self, nursery: Nursery, number: int) -> None:
        self._nursery = nursery
        self.number = number
        self.pid: int | None = None
        self.returncode: int | None = None

    def poll(self) -> int | None:
        self._nursery.pump()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None and self.pid is not None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Raises `subprocess.TimeoutExpired`. One that never got a pid will never run."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None and self.pid is not None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(f"role {self.number}", timeout or 0)
            time.sleep(0.02)
        return self.returncode or 0


class Nursery:
    """The supervisor's end. `fork` returns at once; the pid comes when the nursery has loaded."""

    def __init__(self, kind: str, env: dict[str, str], output: int) -> None:
        """`kind` is "server" or "agent"; `output` takes what the nursery itself prints."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [*paths.program(), "nursery", kind]
        try:
            self.process = spawn(argv, env=env, output=output, stdin=theirs.fileno())
        finally:
            theirs.close()
        self._socket.setblocking(False)
        self._children: dict[int, ForkedProcess] = {}
        self._number = 0

    def fork(self, role: str, stdout: int, stderr: int) -> ForkedProcess:
        self._number += 1
        child = self._children[self._number] = ForkedProcess(self, self._number)
        request = json.dumps({"role": role, "id": self._number}).encode()
        try:
            socket.send_fds(self._socket, [request], [stdout, stderr])
        except OSError:
            child.returncode = -signal.SIGKILL  # the nursery is gone, `alive` says so, too
        return child

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def pump(self) -> None:
        """Take in what the nursery has told. A dead nursery takes its children with it."""
        while True:
            try:
                packet = self._socket.recv(_PACKET)
            except BlockingIOError:
                return
            except ConnectionError:
                packet = b""
            if not packet:
                for child in self._children.values():
                    child.returncode = child.returncode or -signal.SIGKILL
                self._children.clear()
                return
            self._note(json.loads(packet))

    def _note(self, message: dict[str, Any]) -> None:
        child = self._children[message["id"]]
        if "pid" in message:
            child.pid = message["pid"]
        else:
            child.returncode = message["code"]
            del self._children[message["id"]]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._socket.close()


def serve() -> str:
    """The nursery's loop: returns only in a forked child, with the name of its role.

    Must run in a process without threads. Ends with `SystemExit` when the supervisor is gone.
    """
    channel = socket.socket(fileno=os.dup(0))
    children: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([channel], [], [], _LOOK_EVERY_S)
        if ready:
            packet, descriptors, _, _ = socket.recv_fds(channel, _PACKET, 2)
            if not packet:
                raise SystemExit(0)
            request = json.loads(packet)
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                channel.close()
                _settle_in(parent, descriptors, request["role"])
                return str(request["role"])
            for descriptor in descriptors:
                os.close(descriptor)
            children[pid] = request["id"]
            _tell(channel, {"id": request["id"], "pid": pid})
        for pid, number in list(children.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del children[pid]
                _tell(channel, {"id": number, "code": os.waitstatus_to_exitcode(status)})


def _tell(channel: socket.socket, message: dict[str, int]) -> None:
    try:
        channel.send(json.dumps(message).encode())
    except OSError:
        raise SystemExit(0) from None  # the supervisor is gone, and so are we


def _settle_in(parent: int, descriptors: list[int], name: str) -> None:
    """In the child: its own session, output, name in `ps -e`; it dies with the nursery."""
    os.setsid()
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(_PR_SET_NAME, name[:15].encode(), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (descriptors[0], 1), (descriptors[1], 2)):
        os.dup2(source, target)
        os.close(source)
