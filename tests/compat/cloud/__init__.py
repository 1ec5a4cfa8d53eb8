"""A cloud's real services and a real hypervisor, a tenant at work there, and all of our agents:
after a minute everything that should be in the store is there, and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.compat.aodhclient import administrator_token
from tests.compat.cloud import expected, found, surroundings
from tests.compat.cloud.surroundings import Cloud
from tests.compat.outcomes import Outcome
from tests.compat.server import Server

PREFIX = "metric"
SETTINGS: dict[str, str] = {}
ROLES = "web,beat,compute,central,notification,notification-worker,collector"
#: From the tenant's last deed on.
WITHIN_S = 60.0


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """An outcome for each resource, meter and event that is expected, and for all others."""
    cloud = surroundings.started()
    token = administrator_token()
    made = cloud.act()
    found.wait_until(time.monotonic() + WITHIN_S, cloud.check)
    projects = cloud.keystone.call("GET", "projects")["projects"]
    names = expected.Names(
        cloud.tenant_project, cloud.tenant_user, tuple(one["id"] for one in projects), **made
    )
    store = found.ask(server.root, token)
    outcomes = found.judged(
        store, expected.resources(names), expected.meters(names),
        expected.events(names, identities(cloud), assignments(cloud)),
    )  # fmt: skip
    return (one for one in outcomes if not files or one.file in files)


def identities(cloud: Cloud) -> dict[str, list[str]]:
    """{kind: ids} of what Keystone holds, all of it made since it first started."""
    kinds = ("user", "project", "domain", "role", "region", "service", "endpoint")
    return {
        kind: [one["id"] for one in cloud.keystone.call("GET", f"{kind}s")[f"{kind}s"]]
        for kind in kinds
    }


def assignments(cloud: Cloud) -> list[dict[str, str]]:
    """Who has which role where, by ids: {role, user, project}. Of the system none is told."""
    listed = cloud.keystone.call("GET", "role_assignments")["role_assignments"]
    return [
        {kind: one["id"] for kind, one in (each | each["scope"]).items() if "id" in one}
        for each in listed
        if "system" not in each["scope"]
    ]
