"""What there is to poll: `endpoint:<type>`, `tenant`, `local_node`, by the names of polling.yaml."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings

from pollers.pollsters.asking import Asker
from pollers.pollsters.definition import Request
from pollers.pollsters.fetching import FetchError, join

#: Names that polling files give to what a stock pollster lists by itself.
OWN_LISTS = frozenset({
    "images", "volumes", "volume_snapshots", "volume_backups", "volume_pools", "volume_services",
    "fip_services", "vpn_services", "ipsec_connections", "fw_services", "fw_policy",
    "lb_services", "dns_zones", "manila_shares", "alarm", "local_instances",
})  # fmt: skip
DISCOVERIES = frozenset({"tenant", "endpoint", "barbican", "local_node"})


def is_discovery(name: str) -> bool:
    return name in OWN_LISTS or name.partition(":")[0] in DISCOVERIES


def default_discovery(request: Request) -> str:
    if request.discovery:
        return request.discovery
    return f"endpoint:{request.endpoint_type}" if request.endpoint_type else "local_node"


def discover(asker: Asker, name: str) -> list[Any]:
    """Endpoints as URLs, projects as the identity service describes them, the host by its name.

    Raises `SourceError`.
    """
    kind, _, parameter = name.partition(":")
    if kind in ("local_node", "barbican"):
        return [settings.TELEMETRY_HOST]
    if kind == "endpoint":
        return list(asker.cloud().endpoints(parameter))
    if kind == "tenant":
        found: list[Any] = asker.cloud().remembered("tenant", lambda: _projects(asker))
        return found
    raise FetchError(f"there is no discovery {name!r}")


def _projects(asker: Asker) -> list[dict[str, Any]]:
    """All projects of all domains; only enabled ones where the settings say so."""
    enabled = "enabled=true" if settings.TELEMETRY_IGNORE_DISABLED_PROJECTS else ""
    found: list[dict[str, Any]] = []
    for domain in _listed(asker, "domains", enabled):
        query = "&".join(filter(None, (f"domain_id={domain['id']}", enabled)))
        found += _listed(asker, "projects", query)
    return found


def _listed(asker: Asker, kind: str, query: str) -> list[dict[str, Any]]:
    cloud = asker.cloud()
    for endpoint in cloud.endpoints("identity")[:1]:
        root = endpoint.rstrip("/").removesuffix("/v3").removesuffix("/v2.0")
        text = asker.fetcher.fetch(join(root, f"v3/{kind}?{query}"), cloud=cloud).text
        try:
            return [one for one in json.loads(text)[kind] if isinstance(one["id"], str)]
        except (ValueError, KeyError, TypeError):
            raise FetchError(f"the list of {kind} is not understood: {text[:200]!r}") from None
    raise FetchError("no identity service is in the catalogue")
