"""What must be in the store: written down from the specification of the sources (§2, §4.2, §8, §9,
§11, §12) and from what `clients.py` and `surroundings.py` do, not from our definitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.compat.cloud.configs import BACK_END, STORAGE_HOST
from tests.compat.cloud.surroundings import (
    IMAGE_BYTES,
    OBJECT_BYTES,
    RUNNING,
    STOPPED,
    TAP,
    VOLUME_GIB,
)

POOL = f"{STORAGE_HOST}@{BACK_END}#{BACK_END}"
POOL_GIB = 5.0
#: The boot sector's disk (tests/libvirt_host.py).
DISK_BYTES = 1 << 20
MIB = 1 << 20


@dataclass(frozen=True)
class Resource:
    """`metadata`: some of it, as the metering API tells it. An owner of ... is not looked at."""

    id: str
    type: str
    project: Any = None
    user: Any = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Meter:
    """A meter of a resource. `polled`: one sample or more in each of several polls, `told`: the
    samples of notifications. Of values there are these only; an empty `values` is any from 0 up.
    """

    resource: str
    name: str
    unit: str = ""
    type: str = "gauge"
    polled: bool = True
    told: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    #: What it must have reached by the end, if anything.
    last: float | None = None
    grows: bool = False


@dataclass(frozen=True)
class Event:
    """Exactly one event of the type has these traits; of `several` one or more have."""

    type: str
    traits: Mapping[str, str] = field(default_factory=dict)
    several: bool = False


@dataclass(frozen=True)
class Names:
    """Ids of what there is: the tenant's project and user, all projects, and what was made."""

    project: str
    user: str
    projects: tuple[str, ...]
    image: str
    volume: str
    snapshot: str


# --- resources ---------------------------------------------------------------------------------
def resources(names: Names) -> Iterator[Resource]:
    project, user = names.project, names.user
    yield Resource(
        RUNNING, "instance", project, user,
        {"display_name": "web-1", "flavor.id": "42", "flavor.name": "m1.tiny", "status": "active",
         "state": "running", "image.id": "87492c93-b1e6-4040-a251-74b2c8daf28d",
         "architecture": "x86_64", "os_type": "hvm", "vcpus": "1", "root_gb": "1"},
    )  # fmt: skip
    yield Resource(
        STOPPED, "instance", project, user,
        {"display_name": "old-1", "status": "stopped", "state": "shutdown"},
    )  # fmt: skip
    yield Resource(f"{RUNNING}-vda", "instance_disk", project, user, {"disk_name": "vda"})
    yield Resource(
        nic(), "instance_network_interface", project, user,
        {"vnic_name": TAP, "name": TAP, "mac": "fa:16:3e:11:00:c1"},
    )  # fmt: skip
    yield Resource(names.image, "image", project, ..., {"name": "cirros", "disk_format": "raw"})
    yield Resource(names.volume, "volume", project, user, {})
    yield Resource(names.snapshot, "volume", project, user, {})
    yield Resource(POOL, "volume_provider_pool", None, None, {})
    yield Resource(f"{STORAGE_HOST}@{BACK_END}", "volume_provider", None, None, {})
    for binary, host in STORAGE_SERVICES:
        yield Resource(
            f"{binary}@{host}", "volume_service", None, None,
            {"binary": binary, "host": host, "zone": "nova", "status": "enabled"},
        )  # fmt: skip
    for one in names.projects:
        yield Resource(one, "swift_account", one, ..., {})
    yield Resource(f"{project}/c1", "swift_account", project, None, {"storage_policy": "Policy-0"})
    yield Resource(user, "identity", None, user, {})


STORAGE_SERVICES = (
    ("cinder-scheduler", STORAGE_HOST),
    ("cinder-volume", f"{STORAGE_HOST}@{BACK_END}"),
)


def nic() -> str:
    """Libvirt's name of the domain, its UUID, the tap: the interface has no filter."""
    return f"instance-00000001-{RUNNING}-{TAP}"


# --- meters ------------------------------------------------------------------------------------
def meters(names: Names) -> Iterator[Meter]:
    yield from of_guests()
    yield from of_images(names)
    yield from of_volumes(names)
    yield from of_objects(names)
    yield Meter(
        names.user, "identity.authenticate.failure", "user", "delta", polled=False, told=(1,)
    )


def of_guests() -> Iterator[Meter]:
    yield Meter(RUNNING, "power.state", values=(1,))
    yield Meter(STOPPED, "power.state", values=(5,))
    yield Meter(RUNNING, "cpu", "ns", "cumulative", grows=True)
    yield Meter(RUNNING, "vcpus", "vcpu", values=(1,))
    yield Meter(RUNNING, "memory", "MiB", values=(32,))
    # The boot sector has no balloon driver: neither usage nor available.
    yield Meter(RUNNING, "memory.resident", "MiB")
    yield Meter(RUNNING, "disk.root.size", "GiB", values=(1,))
    yield Meter(RUNNING, "disk.ephemeral.size", "GiB", values=(5,))
    disk = f"{RUNNING}-vda"
    for way in ("read", "write"):
        for what, unit in (("requests", "request"), ("bytes", "B"), ("latency", "ns")):
            # It reads nothing after its start, and writes a sector a second.
            yield Meter(disk, f"disk.device.{way}.{what}", unit, "cumulative", grows=way == "write")
    yield Meter(disk, "disk.device.capacity", "B", values=(DISK_BYTES,))
    yield Meter(disk, "disk.device.allocation", "B")
    yield Meter(disk, "disk.device.usage", "B")
    for way in ("incoming", "outgoing"):
        yield Meter(nic(), f"network.{way}.bytes", "B", "cumulative")
        yield Meter(nic(), f"network.{way}.bytes.delta", "B", "delta")
        for what in ("packets", "packets.error", "packets.drop"):
            yield Meter(nic(), f"network.{way}.{what}", "packet", "cumulative")


def of_images(names: Names) -> Iterator[Meter]:
    """`image.size` of upload, activation's update; before the upload the size is null."""
    size = float(IMAGE_BYTES)
    yield Meter(names.image, "image.size", "B", told=(size, size), values=(size,))
    for name in ("image.download", "image.serve"):
        yield Meter(names.image, name, "B", "delta", polled=False, told=(size,))


def of_volumes(names: Names) -> Iterator[Meter]:
    size = float(VOLUME_GIB)
    yield Meter(names.volume, "volume.size", "GiB", told=(size, size), values=(size,))
    yield Meter(names.snapshot, "volume.snapshot.size", "GiB", values=(size,))
    yield Meter(names.snapshot, "snapshot.size", "GiB", polled=False, told=(size, size))
    for resource, prefix in (
        (POOL, "volume.provider.pool"),
        (POOL.partition("#")[0], "volume.provider"),
    ):
        polled = resource == POOL
        for name in ("total", "free"):
            yield Meter(
                resource, f"{prefix}.capacity.{name}", "GiB", polled=polled, told=(POOL_GIB,),
                values=(POOL_GIB,),
            )  # fmt: skip
        yield Meter(
            resource, f"{prefix}.capacity.allocated", "GiB", polled=polled, told=(size,),
            values=(0.0, size), last=size,
        )  # fmt: skip
        # Nothing is provisioned beyond what is allocated: the poll has no sample of a zero.
        yield Meter(
            resource, f"{prefix}.capacity.provisioned", "GiB", polled=False, told=(0.0,),
            values=(0.0,),
        )  # fmt: skip
        yield Meter(
            resource, f"{prefix}.capacity.virtual_free", "GiB", polled=False, told=(POOL_GIB,),
            values=(POOL_GIB,),
        )  # fmt: skip
    for binary, host in STORAGE_SERVICES:
        yield Meter(f"{binary}@{host}", "volume.service.health", "health", values=(1,))


def of_objects(names: Names) -> Iterator[Meter]:
    """Of each project's account, used or not. The pollster's own requests are told by nobody."""
    for one in names.projects:
        is_tenants = one == names.project
        for name, unit, value in (
            ("storage.objects", "object", 1.0),
            ("storage.objects.size", "B", float(OBJECT_BYTES)),
            ("storage.objects.containers", "container", 1.0),
        ):
            last = value if is_tenants else 0.0
            yield Meter(one, name, unit, values=(0.0, last), last=last)
    container = f"{names.project}/c1"
    for name, unit, value in (
        ("storage.containers.objects", "object", 1.0),
        ("storage.containers.objects.size", "B", float(OBJECT_BYTES)),
    ):
        yield Meter(container, name, unit, values=(0.0, value), last=value)
    account = names.project
    # The container put, the object put, the object fetched.
    yield Meter(account, "storage.api.request", "request", "delta", polled=False, told=(1, 1, 1))
    for way in ("incoming", "outgoing"):
        yield Meter(
            account, f"storage.objects.{way}.bytes", "B", "delta", polled=False,
            told=(float(OBJECT_BYTES),),
        )  # fmt: skip


# --- events ------------------------------------------------------------------------------------
def events(
    names: Names, identities: Mapping[str, list[str]], assignments: list[dict[str, str]]
) -> Iterator[Event]:
    """`identities`: {kind: ids} of all that Keystone holds, `assignments` of roles there: it has
    told each.
    """
    for one in assignments:
        yield Event("identity.role_assignment.created", one)
    for kind, ids in identities.items():
        for identity in ids:
            yield Event(f"identity.{kind}.created", {"resource_id": identity})
    yield Event(
        "identity.authenticate",
        {"outcome": "failure", "initiator_id": names.user, "action": "authenticate"},
    )
    image = {"resource_id": names.image, "project_id": names.project, "name": "cirros"}
    yield Event("image.create", {**image, "status": "queued"})
    yield Event("image.update", {**image, "status": "saving"})
    yield Event("image.prepare")
    yield Event("image.upload", {**image, "status": "active", "size": str(IMAGE_BYTES)})
    yield Event("image.activate")
    yield Event("image.update", {**image, "status": "active", "size": str(IMAGE_BYTES)})
    yield Event(
        "image.send",
        {"resource_id": names.image, "receiver_project": names.project,
         "receiver_user": names.user, "bytes_sent": str(IMAGE_BYTES)},
    )  # fmt: skip
    owner = {"project_id": names.project, "user_id": names.user}
    for kind, one, name in (
        ("volume", names.volume, "data"), ("snapshot", names.snapshot, "before"),
    ):  # fmt: skip
        own = {**owner, "resource_id": one, "display_name": name}
        yield Event(f"{kind}.create.start", {**own, "status": "creating"})
        yield Event(f"{kind}.create.end", {**own, "status": "available"})
    yield Event("capacity.pool", several=True)
    yield Event("capacity.backend", several=True)
    request = {**owner, "target_id": names.project, "outcome": "success"}
    of_object = {**request, "target_metadata_container": "c1", "target_metadata_object": "o1"}
    yield Event(
        "objectstore.http.request",
        {**request, "target_action": "put",
         "target_metadata_path": f"v1/AUTH_{names.project}/c1"},
    )  # fmt: skip
    for action in ("put", "get"):
        yield Event("objectstore.http.request", {**of_object, "target_action": action})
