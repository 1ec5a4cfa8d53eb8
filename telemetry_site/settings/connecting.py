"""How processes connect to PostgreSQL, and the pool, which only the web process may have
(reliability.md rows 38 and 39).
"""

from __future__ import annotations

from typing import Any

#: So many times a statement runs before the driver keeps it, where it may.
KEPT_FROM = 5


def database(address: dict[str, Any], is_direct: bool) -> dict[str, Any]:
    """An entry of Django's `DATABASES` for an address that was read from a URL.

    Where no pooler gives each transaction another session (`is_direct`), statements may be kept
    prepared in it (row 41): `telemetry_site.prepared` does so.
    """
    limits = "-c idle_in_transaction_session_timeout=60s -c statement_timeout=30s"
    options = address.get("OPTIONS", {}) | {"options": limits}
    if is_direct:
        options["prepare_threshold"] = KEPT_FROM
    return address | {
        "ENGINE": "telemetry_site.postgresql", "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": 60,
    }  # fmt: skip


def use_pools(databases: dict[str, dict[str, Any]], threads: int) -> None:
    """Change the entries of `DATABASES` in place; before the first connection."""
    for name, database in databases.items():
        database["CONN_MAX_AGE"] = 0
        database["CONN_HEALTH_CHECKS"] = False  # the backend looks at them
        database["OPTIONS"]["pool"] = {
            "min_size": 2,
            "max_size": threads + 1,
            "timeout": 5 if name == "default" else 2,  # a replica can be done without
            "max_lifetime": 1800,
            "max_idle": 300,
        }
