"""What there is to poll: endpoints, projects, zones, this host and its Node Manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from pollers.pollsters.asking import MAX_PAGES, Asker, Secret
from pollers.pollsters.definition import Request
from pollers.pollsters.fetching import FetchError, join, next_url
from pollers.pollsters.node_manager import node_managers

ALL_PROJECTS = {"X-Auth-All-Projects": "true"}


def default_discovery(request: Request) -> str:
    if request.discovery:
        return request.discovery
    return f"endpoint:{request.endpoint_type}" if request.endpoint_type else "local_node"


def discover(asker: Asker, name: str) -> list[Any]:
    """Endpoints as URLs, projects as the identity service describes them, the host by its name,
    its Node Manager with the way to it, secrets by their ids.

    Raises `SourceError`.
    """
    kind, _, parameter = name.partition(":")
    if kind == "barbican" and parameter:
        return [Secret(parameter)]
    if kind in ("local_node", "barbican"):
        return [settings.TELEMETRY_HOST]
    if kind == "endpoint":
        return list(asker.cloud().endpoints(parameter))
    if kind == "tenant":
        found: list[Any] = asker.cloud().remembered("tenant", lambda: _projects(asker))
        return found
    if kind == "node_manager":
        return list(node_managers(asker))
    if kind == "dns_zones":
        return list(_zones(asker))
    raise FetchError(f"there is no discovery {name!r}")


def _projects(asker: Asker) -> list[dict[str, Any]]:
    """All projects of all domains; only enabled ones where the settings say so."""
    enabled = "enabled=true" if settings.TELEMETRY_IGNORE_DISABLED_PROJECTS else ""
    found: list[dict[str, Any]] = []
    for domain in _listed(asker, "domains", enabled):
        query = "&".join(filter(None, (f"domain_id={domain['id']}", enabled)))
        found += _listed(asker, "projects", query)
    return found


def _zones(asker: Asker) -> Iterator[dict[str, Any]]:
    """Zones of all projects, all pages."""
    cloud = asker.cloud()
    for endpoint in cloud.endpoints("dns"):
        url = join(endpoint, "v2/zones")
        for _ in range(MAX_PAGES):
            text = asker.fetcher.fetch(url, headers=ALL_PROJECTS, cloud=cloud).text
            try:
                page = json.loads(text)
                yield from (zone for zone in page["zones"] if isinstance(zone["id"], str))
                following = page.get("links", {}).get("next")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise FetchError(f"the list of zones is not understood: {text[:200]!r}") from None
            if not following:
                break
            url = next_url(endpoint, url, following)


def _listed(asker: Asker, kind: str, query: str) -> list[dict[str, Any]]:
    cloud = asker.cloud()
    for endpoint in cloud.endpoints("identity")[:1]:
        root = endpoint.rstrip("/").removesuffix("/v3").removesuffix("/v2.0")
        text = asker.fetcher.fetch(join(root, f"v3/{kind}?{query}"), cloud=cloud).text
        try:
            return [one for one in json.loads(text)[kind] if isinstance(one["id"], str)]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise FetchError(f"the list of {kind} is not understood: {text[:200]!r}") from None
    raise FetchError("no identity service is in the catalogue")
