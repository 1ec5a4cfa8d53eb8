"""Where the state of one installation lives: all below `TELEMETRY_HOME`."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
#: What the packages lie in: the checkout, or Python's folder of packages.
ROOT = _HERE.parent
#: Whether this is an installed package (setup.py), and where its `templates` and `docs` are.
IS_INSTALLED = (_HERE / "templates").is_dir()
DATA = _HERE if IS_INSTALLED else ROOT
#: Linux refuses socket paths of more than 107 bytes; PostgreSQL's socket name takes 20 of them.
SOCKET_PATH_ROOM = 80


def home() -> Path:
    """The state directory: `TELEMETRY_HOME`, else `var` in the checkout, or the user's own of an
    installed package (`XDG_STATE_HOME`).
    """
    default = ROOT / "var"
    if IS_INSTALLED:
        states = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        default = Path(states) / "telemetry"
    return Path(os.environ.get("TELEMETRY_HOME") or default).absolute()


def program() -> list[str]:
    """The beginning of the command line of any command of ours."""
    if IS_INSTALLED:
        return [sys.executable, "-m", "telemetry_site"]
    return [sys.executable, str(ROOT / "manage.py")]


def run_dir() -> Path:
    """Directory of sockets, pid and status files; short enough for a unix socket."""
    wanted = home() / "run"
    if len(str(wanted)) <= SOCKET_PATH_ROOM:
        return wanted
    digest = hashlib.sha256(str(home()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"telemetry-{digest}"


def spool_dir(agent_id: str) -> Path:
    return home() / "spool" / agent_id
