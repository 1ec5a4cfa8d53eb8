"""Other projects' code as an oracle: a script in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


def ask(environment: Path, script: Path, wanted: dict[str, Any]) -> Any:
    """What the script prints as JSON when it is given `wanted` as JSON. Raises `RuntimeError`."""
    done = subprocess.run(
        [environment / "bin" / "python", "-W", "ignore", script],
        input=json.dumps(wanted), capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{script} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)
