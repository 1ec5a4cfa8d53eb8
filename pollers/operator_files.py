"""Files that say what an agent asks and runs: the operator's, and nobody else's (S37)."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from telemetry_site.yamlfile import Fault, read_yaml


def read_operators_yaml(path: Path) -> tuple[Any, list[Fault]]:
    """As `read_yaml`; a file that anybody may write to is not read."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return read_yaml(path)  # which says why it cannot be read
    if mode & stat.S_IWOTH:
        return None, [Fault(str(path), 0, "anybody may write to this file: chmod o-w")]
    return read_yaml(path)
