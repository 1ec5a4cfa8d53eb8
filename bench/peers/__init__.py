"""Other projects' programs, measured in the same run. Each lives in a virtual environment of its
own or in an unpacked package, made on first use in the user's cache directory.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "telemetry-bench"
