"""Failpoints: named places where a test makes the process fail.

``TELEMETRY_FAILPOINTS="collector.after_copy=kill9@3,agent.after_fsync=sleep:5"`` kills the process
at the third pass of the first and makes each pass of the second wait.

``TELEMETRY_FAILPOINTS_DIR`` arms them while the process runs: a file named as the failpoint holds
`kill9@3`, and the process that gets there renames it to ``<name>.hit`` before it acts. So it fires
once, whatever the processes of a pool pass afterwards.

Without these variables a pass costs one look-up in an empty dictionary.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


class FailpointError(RuntimeError):
    """Raised by the action `raise`."""


def _parse(text: str) -> dict[str, tuple[str, int]]:
    """{name: (action, pass)}; pass 0 = every pass."""
    points = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, action = part.partition("=")
        action, _, number = action.partition("@")
        points[name] = (action, int(number or 0))
    return points


_points = _parse(os.environ.get("TELEMETRY_FAILPOINTS", ""))
_directory = os.environ.get("TELEMETRY_FAILPOINTS_DIR", "")
_passes: Counter[str] = Counter()


def failpoint(name: str) -> None:
    if name in _points:
        action, wanted = _points[name]
        _passes[name] += 1
        if not wanted or _passes[name] == wanted:
            _act(name, action, _passes[name])
    if _directory:
        _look_for_armed(Path(_directory) / name)


def _look_for_armed(path: Path) -> None:
    """Passes count from the arming, in each process by itself."""
    try:
        text, armed = path.read_text(), path.stat()
        action, _, wanted = text.partition("@")
        passes = f"{path.name} armed {armed.st_ino} {armed.st_mtime_ns}"
        _passes[passes] += 1
        if _passes[passes] != int(wanted or 1):
            return
        path.rename(path.with_name(f"{path.name}.hit"))
    except FileNotFoundError:  # not armed, or another process was first
        return
    _act(path.name, action, _passes[passes])


def _act(name: str, action: str, number: int) -> None:
    log.warning("failpoint hit", failpoint=name, action=action, number=number)
    if action == "kill9":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "raise":
        raise FailpointError(name)
    elif action.startswith("sleep:"):
        time.sleep(float(action.removeprefix("sleep:")))
    else:
        raise ValueError(f"failpoint {name}: unknown action {action!r}")
