"""Answers of OpenStack's services in the form that their API references document (fields of
microversion 3.64 for block storage), by the path that the stock pollsters ask. `P` is a project.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.http_service import answering

P, U = "p0000000000000000000000000000001", "u0000000000000000000000000000001"

IMAGE: dict[str, Any] = {
    "id": "87492c93",
    "name": "cirros",
    "status": "active",
    "visibility": "public",
    "container_format": "bare",
    "disk_format": "qcow2",
    "created_at": "2026-11-25T01:55:18Z",
    "updated_at": "2026-11-25T01:55:18Z",
    "min_disk": 0,
    "min_ram": 0,
    "protected": False,
    "checksum": "a6bb7bde3251ca2d810d32dadd9e8ae7",
    "owner": P,
    "size": 5000,
    "virtual_size": 10000,
    "tags": ["small"],
    "os_hidden": False,
    "file": "/v2/images/87492c93/file",
    "self": "/v2/images/87492c93",
    "schema": "/v2/schemas/image",
}
VOLUME: dict[str, Any] = {
    "id": "vol1",
    "name": "data",
    "status": "in-use",
    "size": 3,
    "volume_type": "lvm",
    "volume_type_id": "t1",
    "availability_zone": "nova",
    "os-vol-host-attr:host": "cmp01@lvm#lvm",
    "os-vol-tenant-attr:tenant_id": P,
    "user_id": U,
    "migration_status": None,
    "attachments": [{"server_id": "6f1a2b3c", "device": "/dev/vdb", "volume_id": "vol1"}],
    "snapshot_id": None,
    "source_volid": None,
    "volume_image_metadata": {"image_id": "87492c93", "image_name": "cirros"},
    "bootable": "true",
    "encrypted": False,
    "metadata": {},
    "created_at": "2026-11-25T01:55:18.0",
}
POOL: dict[str, Any] = {
    "name": "cmp01@lvm#lvm",
    "capabilities": {
        "pool_name": "lvm",
        "total_capacity_gb": 100.5,
        "free_capacity_gb": 80,
        "allocated_capacity_gb": 10,
        "provisioned_capacity_gb": 20.0,
        "reserved_percentage": 10,
        "max_over_subscription_ratio": "20.0",
        "thin_provisioning_support": True,
        "volume_backend_name": "lvm",
        "driver_version": "3.0",
    },
}
FLOATING: dict[str, Any] = {
    "id": "fip1",
    "tenant_id": P,
    "project_id": P,
    "floating_ip_address": "203.0.113.254",
    "floating_network_id": "ext",
    "router_id": None,
    "port_id": None,
    "fixed_ip_address": None,
    "status": "DOWN",
    "port_details": None,
    "tags": [],
    "revision_number": 0,
}
BALANCER: dict[str, Any] = {
    "id": "lb1",
    "name": "web",
    "project_id": P,
    "availability_zone": None,
    "flavor_id": "",
    "vip_address": "10.0.0.9",
    "vip_port_id": "port1",
    "provisioning_status": "ACTIVE",
    "operating_status": "DEGRADED",
    "provider": "amphora",
    "listeners": [],
    "pools": [],
}
ZONE: dict[str, Any] = {
    "id": "z1",
    "name": "example.org.",
    "project_id": P,
    "email": "a@example.org",
    "ttl": 3600,
    "description": None,
    "type": "PRIMARY",
    "status": "ACTIVE",
    "action": "NONE",
    "serial": 1764000000,
    "pool_id": "pool1",
    "version": 1,
    "masters": [],
    "attributes": {},
}
SHARE: dict[str, Any] = {
    "id": "s1",
    "name": "home",
    "project_id": P,
    "availability_zone": "nova",
    "share_proto": "NFS",
    "share_type": "t",
    "share_network_id": None,
    "status": "extending",
    "host": "h@a#p",
    "size": 7,
    "is_public": False,
}
VPN: dict[str, Any] = {
    "id": "vpn1",
    "name": "v",
    "project_id": P,
    "tenant_id": P,
    "description": "",
    "status": "PENDING_CREATE",
    "admin_state_up": True,
    "subnet_id": None,
    "router_id": "r1",
    "flavor_id": None,
    "external_v4_ip": "203.0.113.1",
    "external_v6_ip": None,
}
CONNECTION: dict[str, Any] = {
    "id": "con1",
    "name": "c",
    "project_id": P,
    "psk": "pw-not-to-be-seen",
    "peer_cidrs": [],
    "peer_address": "198.51.100.1",
    "peer_id": "198.51.100.1",
    "mtu": 1500,
    "initiator": "bi-directional",
    "ikepolicy_id": "i",
    "ipsecpolicy_id": "s",
    "vpnservice_id": "vpn1",
    "status": "ACTIVE",
    "admin_state_up": True,
    "description": "",
    "peer_ep_group_id": None,
}

#: Path on the test's service → answer; the services' own prefixes are those of `ENDPOINTS`.
ANSWERS: dict[str, Any] = {
    "/image/v2/images": {
        "images": [IMAGE],
        "first": "/v2/images",
        "schema": "/v2/schemas/images",
        "next": "/v2/images?marker=87492c93",
    },
    "/image/v2/images?marker=87492c93": {
        "images": [IMAGE | {"id": "queued", "status": "queued", "size": None}],
        "first": "/v2/images",
    },
    "/volume/v3/{admin}/volumes/detail?all_tenants=True": {
        "volumes": [
            VOLUME,
            VOLUME | {"id": "vol2", "attachments": [], "volume_image_metadata": None},
        ],
        "volumes_links": [
            {
                "rel": "next",
                "href": "http://inner:8776/volume/v3/{admin}/volumes/detail"
                "?all_tenants=True&marker=vol2",
            }
        ],
    },
    "/volume/v3/{admin}/volumes/detail?all_tenants=True&marker=vol2": {
        "volumes": [VOLUME | {"id": "vol3"}],
    },
    "/volume/v3/{admin}/snapshots/detail?all_tenants=True": {
        "snapshots": [
            {
                "id": "snap1",
                "name": "s",
                "volume_id": "vol1",
                "size": 5,
                "status": "available",
                "description": None,
                "metadata": {},
                "project_id": P,
            }
        ],
    },
    "/volume/v3/{admin}/backups/detail?all_tenants=True": {
        "backups": [
            {
                "id": "b1",
                "name": "b",
                "size": 4,
                "os-backup-project-attr:project_id": P,
                "user_id": U,
                "is_incremental": False,
                "object_count": 2,
                "container": "c",
                "volume_id": "vol1",
                "status": "available",
                "description": None,
            }
        ],
    },
    "/volume/v3/{admin}/scheduler-stats/get_pools?detail=True": {
        "pools": [
            POOL,
            {
                "name": "h@ceph#ceph",
                "capabilities": {
                    "pool_name": "ceph",
                    "total_capacity_gb": "infinite",
                    "free_capacity_gb": "unknown",
                    "allocated_capacity_gb": 1,
                    "reserved_percentage": 0,
                },
            },
        ],
    },
    "/volume/v3/{admin}/os-services": {
        "services": [
            {
                "binary": "cinder-volume",
                "host": "cmp01@lvm",
                "zone": "nova",
                "status": "enabled",
                "state": "up",
            },
            {
                "binary": "cinder-backup",
                "host": "cmp01",
                "zone": "nova",
                "status": "enabled",
                "state": "down",
            },
        ],
    },
    "/network/v2.0/floatingips": {"floatingips": [FLOATING]},
    "/network/v2.0/vpn/vpnservices": {"vpnservices": [VPN]},
    "/network/v2.0/vpn/ipsec-site-connections": {"ipsec_site_connections": [CONNECTION]},
    "/lb/v2/lbaas/loadbalancers": {"loadbalancers": [BALANCER], "loadbalancers_links": []},
    "/dns/v2/zones": {"zones": [ZONE], "links": {"self": "x"}, "metadata": {"total_count": 1}},
    "/dns/v2/zones/z1/recordsets?limit=1": {
        "recordsets": [{"id": "r1"}],
        "links": {"next": "x"},
        "metadata": {"total_count": 12},
    },
    "/share/v2/shares/detail?all_tenants=True": {"shares": [SHARE]},
    "/alarming/v2/metrics?all_projects=true": {
        "evaluation_results": [
            {"alarm_id": "al1", "project_id": P, "state_counters": {"ok": 3, "alarm": 1}}
        ],
    },
}
#: Service type → endpoint in the catalogue, below the test's service.
ENDPOINTS = {
    "image": "/image",
    "volumev3": "/volume/v3/$(project_id)s",
    "network": "/network",
    "load-balancer": "/lb",
    "dns": "/dns",
    "sharev2": "/share/v2",
    "alarming": "/alarming",
    "object-store": "/swift/v1/AUTH_$(project_id)s",
}


RECORDED = Path(__file__).parent.parent / "recorded" / "openstack.json"
GATEWAY = RECORDED.with_name("radosgw.json")
#: Where each recorded service stands below the test's one.
INNER = "http://inner.example"
PREFIXES = {"image": "/image", "volume": "/volume", "network": "/network", "object-store": "/swift"}


def answers_for(admin_project: str) -> dict[str, Any]:
    """With the id of the project that the catalogue writes into endpoints."""
    return dict(_filled(ANSWERS, "{admin}", admin_project))


def recorded_for(admin_project: str) -> dict[str, Any]:
    """Answers that real services gave (versions in the file)."""
    document = _filled(json.loads(RECORDED.read_text()), "{project}", admin_project)
    return {
        PREFIXES[kind] + path: _filled(found["body"], INNER, INNER + PREFIXES[kind])
        if "body" in found
        else answering(204, **underscored(found["headers"]))
        for kind, answers in document["answers"].items()
        for path, found in answers.items()
    }


def gateway_for(admin_project: str) -> dict[str, Any]:
    """Answers of Ceph's object gateway to its admin requests; nobody else has a bucket."""
    document = _filled(json.loads(GATEWAY.read_text()), "{project}", admin_project)
    return dict(document["answers"])


def underscored(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


def _filled(value: Any, mark: str, project: str) -> Any:
    """A copy with `project` in place of the mark, in all texts."""
    if isinstance(value, str):
        return value.replace(mark, project)
    if isinstance(value, dict):
        return {
            _filled(key, mark, project): _filled(inner, mark, project)
            for key, inner in value.items()
        }
    return [_filled(inner, mark, project) for inner in value] if isinstance(value, list) else value
