"""The connection pool, which only the web process may have (reliability.md rows 38 and 39)."""

from __future__ import annotations

from typing import Any


def use_pool(database: dict[str, Any], threads: int) -> None:
    """Change Django's `DATABASES` entry in place; before the first connection."""
    database["CONN_MAX_AGE"] = 0
    database["OPTIONS"]["pool"] = {
        "min_size": 2,
        "max_size": threads + 1,
        "timeout": 5,
        "max_lifetime": 1800,
        "max_idle": 300,
    }
