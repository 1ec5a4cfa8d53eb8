"""The names of discoveries, as polling files and definitions write them."""

from __future__ import annotations

#: Names that polling files give to what a stock pollster lists by itself.
OWN_LISTS = frozenset({
    "images", "volumes", "volume_snapshots", "volume_backups", "volume_pools", "volume_services",
    "fip_services", "vpn_services", "ipsec_connections", "fw_services", "fw_policy",
    "lb_services", "dns_zones", "manila_shares", "alarm", "local_instances",
})  # fmt: skip
#: What an agent finds on its own host, without a cloud.
OF_THE_HOST = frozenset({"local_node", "node_manager"})
DISCOVERIES = OF_THE_HOST | {"tenant", "endpoint", "barbican"}


def is_discovery(name: str) -> bool:
    return name in OWN_LISTS or name.partition(":")[0] in DISCOVERIES


def is_found(name: str) -> bool:
    """Whether an agent can look for it: the other lists are a stock pollster's own request."""
    return name == "dns_zones" or name.partition(":")[0] in DISCOVERIES
