"""Where the state of one installation lives: all below `TELEMETRY_HOME`."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Linux refuses socket paths of more than 107 bytes; PostgreSQL's socket name takes 20 of them.
SOCKET_PATH_ROOM = 80


def home() -> Path:
    """The state directory: `TELEMETRY_HOME`, else `var` in the checkout."""
    return Path(os.environ.get("TELEMETRY_HOME") or ROOT / "var").absolute()


def run_dir() -> Path:
    """Directory of sockets, pid and status files; short enough for a unix socket."""
    wanted = home() / "run"
    if len(str(wanted)) <= SOCKET_PATH_ROOM:
        return wanted
    digest = hashlib.sha256(str(home()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"telemetry-{digest}"


def spool_dir(agent_id: str) -> Path:
    return home() / "spool" / agent_id
