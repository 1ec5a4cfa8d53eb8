"""The state directory of one installation: made, locked, given its secret key."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

from telemetry_site import paths
from telemetry_site.embedded.server import make_private
from telemetry_site.errors import SiteError


def prepare() -> None:
    """Make the directory, its run directory and the secret key. Raises `SiteError`."""
    for directory in (paths.home(), paths.run_dir()):
        make_private(directory)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise SiteError(
                f"TELEMETRY_HOME: nothing can be written to {directory}; "
                "set it to a directory of your own."
            )
    _make_secret_key(paths.home() / "secret_key")


def _make_secret_key(path: Path) -> None:
    """64 random characters, readable by the owner only."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise SiteError(f"TELEMETRY_HOME: {path} cannot be made: {error.strerror}.") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48) + "\n")


def lock() -> IO[str]:
    """Hold this file open as long as you use the directory: the kernel frees it, come what may."""
    path = paths.home() / "up.lock"
    file = open(path, "a+")  # noqa: SIM115 (held open on purpose)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise SiteError(
            f"`manage.py up` (process {owner}) is running on {paths.home()} already; "
            "stop it, or set TELEMETRY_HOME to another directory."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
