"""What a domain's XML says that its numbers don't: owner, flavor, image, disks, NICs. Pure.

Names and paths of the metadata: sources.md 2.3, 2.4. A plain libvirt domain, without Nova's
element, may describe itself by an element of ours (`pollers.compute.own_element`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from meters import wire
from pollers.compute.own_element import OwnElement, own_element
from pollers.errors import PollersError
from pollers.scrub import Notes, scrubbed
from pollers.user_metadata import CLASSIC_KEYS, UserKeys

#: New and old guests live side by side on an upgraded host.
NOVA_NAMESPACES = (
    "http://openstack.org/xmlns/libvirt/nova/1.1",
    "http://openstack.org/xmlns/libvirt/nova/1.0",
)
#: Of the keys that metadata may have, for those of a disk or NIC.
SPARE_KEYS = 48
KIB_IN_UNIT = {"b": 1 / 1024, "bytes": 1 / 1024, "kib": 1, "k": 1, "mib": 1024, "gib": 1024**2}


class DomainXmlError(PollersError):
    """The XML can't be read; the text says why."""


@dataclass(frozen=True)
class Disk:
    """A disk that has a source. `source_type` is file, block, network, …; `format` raw, qcow2, …"""

    resource: wire.Resource
    source_type: str
    format: str


@dataclass(frozen=True)
class DomainInfo:
    """Everything that stays as it is between two boots or device changes of a domain.

    `metadata` lacks `state` and `status`. `disks` is keyed by target (vda), `nics` by tap.
    """

    uuid: str
    project_id: str | None
    user_id: str | None
    source: str
    metadata: dict[str, Any]
    disks: dict[str, Disk]
    nics: dict[str, wire.Resource]
    root_gb: int | None = None
    ephemeral_gb: int | None = None
    #: What of the metadata is not kept, and how often.
    notes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Owner:
    project_id: str | None
    user_id: str | None
    source: str


def parse_domain(
    text: str,
    host: str,
    default_owner: tuple[str, str] = ("", ""),
    user_keys: UserKeys = CLASSIC_KEYS,
) -> DomainInfo:
    """Read a domain's XML. `default_owner` is (project, user) where the XML names none."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DomainXmlError(f"domain XML: {error}") from error
    uuid, name = _text(root, "uuid"), _text(root, "name")
    nova = _nova_element(root)
    if nova is None:
        element = own_element(root, user_keys) or OwnElement()
        owner, own = _plain_owner(element, default_owner), _plain_metadata(root, element)
    else:
        owner, own = _nova_owner(nova), _nova_metadata(nova)
    notes: Notes = Notes()
    metadata = scrubbed(
        _common_metadata(root, uuid, name, host, owner.project_id) | own, notes, spare=SPARE_KEYS
    )
    flavor = own.get("flavor") or {}
    return DomainInfo(
        uuid, owner.project_id, owner.user_id, owner.source, metadata,
        disks=_disks(root, uuid, owner, metadata), nics=_nics(root, uuid, name, owner, metadata),
        root_gb=flavor.get("disk"), ephemeral_gb=flavor.get("ephemeral"), notes=dict(notes),
    )  # fmt: skip


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _integer(element: Element, path: str) -> int:
    """An integer of Nova's metadata; missing or not a number is 0, as Nova means it."""
    text = _text(element, path)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _attribute(element: Element, path: str, name: str) -> str | None:
    found = element.find(path)
    return (found.get(name) or None) if found is not None else None


def _nova_element(root: Element) -> Element | None:
    """Nova's `<instance>` with the namespace taken off its tags; None for a plain domain."""
    for namespace in NOVA_NAMESPACES:
        found = root.find(f"metadata/{{{namespace}}}instance")
        if found is not None:
            for element in found.iter():
                element.tag = element.tag.rpartition("}")[2]
            return found
    return None


def _common_metadata(
    root: Element, uuid: str, name: str, host: str, project_id: str | None
) -> dict[str, Any]:
    return {
        "display_name": name,
        "name": name,
        "instance_id": uuid,
        "instance_type": None,
        "host": nova_host_id(project_id, host) if project_id else None,
        "instance_host": host,
        "flavor": None,
        "task_state": "",
        "image": None,
        "image_ref": None,
        "image_ref_url": None,
        "architecture": _attribute(root, "os/type", "arch"),
        "os_type": _text(root, "os/type") or None,
        "cpu_number": int(_attribute(root, "vcpu", "current") or _text(root, "vcpu") or 1),
    }


def nova_host_id(project_id: str, host: str) -> str:
    """Nova's `hostId`: tells a tenant that two instances share a host, not which."""
    return hashlib.sha224((project_id + host).encode()).hexdigest()


def _plain_owner(element: OwnElement, default_owner: tuple[str, str]) -> _Owner:
    """The defaults stand in only where the domain names neither: no strange pairs are made."""
    project, user = default_owner
    if element.project_id or element.user_id:
        project, user = element.project_id, element.user_id
    return _Owner(project or None, user or None, "libvirt")


def _plain_metadata(root: Element, element: OwnElement) -> dict[str, Any]:
    found = {
        "vcpus": int(_text(root, "vcpu") or 1),
        "memory_mb": _memory_mb(root.find("memory")),
    }
    title = element.name or _text(root, "title")[: wire.MAX_NAME]
    return found | ({"display_name": title} if title else {}) | element.metadata


def _memory_mb(memory: Element | None) -> int | None:
    if memory is None or not (memory.text or "").strip().isdigit():
        return None
    kib = KIB_IN_UNIT.get(memory.get("unit", "KiB").lower())
    return None if kib is None else int(int(memory.text or 0) * kib / 1024)


def _nova_owner(nova: Element) -> _Owner:
    return _Owner(
        _attribute(nova, "owner/project", "uuid"),
        _attribute(nova, "owner/user", "uuid"),
        "openstack",
    )


def _nova_metadata(nova: Element) -> dict[str, Any]:
    flavor = _flavor(nova)
    image_id = _attribute(nova, "root[@type='image']", "uuid")
    metadata = {
        "instance_type": flavor["name"],
        "flavor": flavor,
        "image": {"id": image_id} if image_id else None,
        "image_ref": image_id,
        "vcpus": flavor["vcpus"],
        "memory_mb": flavor["ram"],
        "disk_gb": flavor["disk"],
        "root_gb": flavor["disk"],
        "ephemeral_gb": flavor["ephemeral"],
    }
    display_name = _text(nova, "name")
    if display_name:
        metadata["display_name"] = display_name
    image = nova.find("image")
    if image is not None:
        metadata["image_meta"] = _image_meta(image)
    return metadata


def _flavor(nova: Element) -> dict[str, Any]:
    """Nova's flavor. `disk` is the root disk alone; extra specs are there only where known."""
    name = _attribute(nova, "flavor", "name")
    flavor: dict[str, Any] = {"id": _attribute(nova, "flavor", "id") or name, "name": name}
    for key, tag in (
        ("vcpus", "vcpus"), ("ram", "memory"), ("disk", "disk"),
        ("ephemeral", "ephemeral"), ("swap", "swap"),
    ):  # fmt: skip
        flavor[key] = _integer(nova, f"flavor/{tag}")
    specs = nova.find("flavor/extraSpecs")
    if specs is not None:
        flavor["extra_specs"] = _named_texts(specs, "extraSpec")
    return flavor


def _image_meta(image: Element) -> dict[str, str]:
    """Image properties as Nova writes them since 2025.2; all values are text."""
    meta = {"base_image_ref": image.get("uuid", "")}
    for key, tag in (
        ("container_format", "containerFormat"), ("disk_format", "diskFormat"),
        ("min_disk", "minDisk"), ("min_ram", "minRam"),
    ):  # fmt: skip
        text = _text(image, tag)
        if text:
            meta[key] = text
    properties = image.find("properties")
    return meta if properties is None else meta | _named_texts(properties, "property")


def _named_texts(parent: Element, tag: str) -> dict[str, str]:
    return {
        child.get("name", ""): (child.text or "").strip()
        for child in parent.iter(tag)
        if child.get("name")
    }


def _has_source(disk: Element) -> bool:
    """A drive whose medium was taken out keeps an element that names nothing."""
    source = disk.find("source")
    return source is not None and bool(set(source.attrib) - {"index", "startupPolicy"})


def _disks(root: Element, uuid: str, owner: _Owner, instance: dict[str, Any]) -> dict[str, Disk]:
    """Disks with a source; an empty CD drive has none and is not measured.

    Their metadata are those of the instance (sources.md 2.1), so that alarms can select by them.
    """
    disks = {}
    for disk in root.iterfind("devices/disk"):
        device = _attribute(disk, "target", "dev")
        if device is None or not _has_source(disk):
            continue
        resource = wire.Resource(
            f"{uuid}-{device}", owner.project_id, owner.user_id, "instance_disk",
            instance | {"disk_name": device}, owner.source,
        )  # fmt: skip
        kind = _attribute(disk, "driver", "type") or "raw"
        disks[device] = Disk(resource, disk.get("type", "file"), kind)
    return disks


def _nics(
    root: Element, uuid: str, name: str, owner: _Owner, instance: dict[str, Any]
) -> dict[str, wire.Resource]:
    """NICs with a tap and a MAC address. The id is that of sources.md 2.1."""
    nics = {}
    for interface in root.iterfind("devices/interface"):
        tap = _attribute(interface, "target", "dev")
        mac = _attribute(interface, "mac", "address")
        if tap is None or mac is None:
            continue
        fref = _attribute(interface, "filterref", "filter")
        metadata = instance | {
            "name": tap,
            "mac": mac,
            "fref": fref,
            "parameters": _nic_parameters(interface),
            "vnic_name": fref or tap,
        }
        nics[tap] = wire.Resource(
            fref or f"{name}-{uuid}-{tap}", owner.project_id, owner.user_id,
            "instance_network_interface", metadata, owner.source,
        )  # fmt: skip
    return nics


def _nic_parameters(interface: Element) -> dict[str, str | None]:
    """Parameters of the filter, the Neutron port (`interfaceid`) and the bridge."""
    parameters: dict[str, str | None] = {
        found.get("name", "").lower(): found.get("value")
        for found in interface.iterfind("filterref/parameter")
        if found.get("name")
    }
    parameters["interfaceid"] = _attribute(interface, "virtualport/parameters", "interfaceid")
    parameters["bridge"] = _attribute(interface, "source", "bridge")
    return parameters
