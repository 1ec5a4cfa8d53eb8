"""How processes connect to PostgreSQL (reliability.md rows 37 and 38).

Each thread keeps a connection of its own: the web process has a fixed number of threads, so a pool
(row 39) would have nothing to share (docs/decisions/0012).
"""

from __future__ import annotations

from typing import Any

#: So many times a statement runs before the driver keeps it, where it may.
KEPT_FROM = 5
#: What a connection has learnt, its plans above all, goes with it.
LONGEST_LIFE_S = 1800


def database(address: dict[str, Any], is_direct: bool, within_s: int) -> dict[str, Any]:
    """An entry of Django's `DATABASES` for an address that was read from a URL; `within_s` is how
    long it may take to connect, if the URL does not say.

    Where no pooler gives each transaction another session (`is_direct`), statements may be kept
    prepared in it (row 41): `telemetry_site.prepared` does so.
    """
    limits = "-c idle_in_transaction_session_timeout=60s -c statement_timeout=30s"
    options = {"connect_timeout": within_s} | address.get("OPTIONS", {}) | {"options": limits}
    if is_direct:
        options["prepare_threshold"] = KEPT_FROM
    return address | {
        "ENGINE": "telemetry_site.postgresql", "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": LONGEST_LIFE_S,
    }  # fmt: skip
