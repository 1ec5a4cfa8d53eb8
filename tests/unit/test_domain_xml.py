"""What is read from a domain's XML."""

from __future__ import annotations

import hashlib

import pytest

from meters import wire
from pollers.compute.domain_xml import DomainInfo, DomainXmlError, parse_domain
from pollers.user_metadata import UserKeys
from tests.libvirt_host import nova_metadata, telemetry_metadata

UUID = "6f1a2b3c-0000-4000-8000-000000000001"


def domain(metadata: str = "", devices: str = "", extra: str = "") -> str:
    return f"""
<domain type='kvm' id='3'>
  <name>instance-0000000a</name><uuid>{UUID}</uuid>{extra}{metadata}
  <memory unit='KiB'>2097152</memory><vcpu placement='static'>2</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>{devices}</devices>
</domain>"""


def parse(text: str, owner: tuple[str, str] = ("", "")) -> DomainInfo:
    return parse_domain(text, "cmp01", owner)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_both_namespaces_of_nova_give_the_same_owner(version: str) -> None:
    info = parse(domain(nova_metadata("p1", "u1", version=version)))
    assert (info.project_id, info.user_id, info.source) == ("p1", "u1", "openstack")


def test_nova_metadata_becomes_the_classic_resource_metadata() -> None:
    metadata = parse(domain(nova_metadata("p1", "u1"))).metadata
    assert metadata["display_name"] == "web-1"
    assert metadata["name"] == "instance-0000000a"
    assert metadata["instance_type"] == "m1.tiny"
    assert metadata["flavor"] == {
        "id": "42", "name": "m1.tiny", "vcpus": 1, "ram": 32, "disk": 1, "ephemeral": 5, "swap": 0,
        "extra_specs": {"hw:cpu_policy": "shared"},
    }  # fmt: skip
    assert metadata["image"] == {"id": "87492c93-b1e6-4040-a251-74b2c8daf28d"}
    assert metadata["image_ref"] == "87492c93-b1e6-4040-a251-74b2c8daf28d"
    assert metadata["instance_host"] == "cmp01"
    assert metadata["host"] == hashlib.sha224(b"p1cmp01").hexdigest()
    assert (metadata["architecture"], metadata["os_type"]) == ("x86_64", "hvm")
    assert "image_meta" not in metadata


def test_the_root_disk_is_not_made_smaller_by_the_ephemeral_one() -> None:
    info = parse(domain(nova_metadata("p1", "u1")))
    assert (info.root_gb, info.ephemeral_gb) == (1, 5)


def test_image_properties_of_newer_novas_are_kept_as_text() -> None:
    image = """<nova:image uuid="img1"><nova:containerFormat>bare</nova:containerFormat>
      <nova:diskFormat>qcow2</nova:diskFormat><nova:minDisk>1</nova:minDisk>
      <nova:minRam>0</nova:minRam><nova:properties>
      <nova:property name="os_distro">debian</nova:property></nova:properties></nova:image>"""
    text = nova_metadata("p1", "u1").replace("</nova:instance>", f"{image}</nova:instance>")
    assert parse(domain(text)).metadata["image_meta"] == {
        "base_image_ref": "img1", "container_format": "bare", "disk_format": "qcow2",
        "min_disk": "1", "min_ram": "0", "os_distro": "debian",
    }  # fmt: skip


def test_image_properties_without_end_and_secrets_cost_no_sample() -> None:
    """What the wire format refuses would be refused with every sample of the instance."""
    properties = "".join(
        f'<nova:property name="p{number}">{"x" * 300}</nova:property>' for number in range(300)
    )
    secret = '<nova:property name="admin_password">pw-not-to-be-seen</nova:property>'
    image = f'<nova:image uuid="img1"><nova:properties>{secret}{properties}</nova:properties>'
    text = nova_metadata("p1", "u1").replace(
        "</nova:instance>", f"{image}</nova:image></nova:instance>"
    )
    nic = (
        "<interface type='bridge'><mac address='52:54:00:00:00:01'/><target dev='tap1'/>"
        "<source bridge='br0'/></interface>"
    )
    info = parse(domain(text, nic))
    for metadata in (info.metadata, info.nics["tap1"].metadata):
        wire.check_metadata("instance", metadata)
        assert metadata["display_name"] == "web-1"
        assert "pw-not-to-be-seen" not in str(metadata)
    assert len(info.metadata["image_meta"]) > 100
    assert info.notes == {"metadata: keys beyond 208 left out": 1}
    assert (info.root_gb, info.ephemeral_gb) == (1, 5)


def test_sizes_of_a_flavor_that_are_no_numbers_are_none() -> None:
    for text in ("²", "9" * 30, "-1", "1.5", ""):
        nova = nova_metadata("p1", "u1").replace("<nova:disk>1<", f"<nova:disk>{text}<")
        assert parse(domain(nova)).root_gb == 0


def test_an_instance_booted_from_a_volume_has_no_image() -> None:
    text = nova_metadata("p1", "u1").replace('type="image"', 'type="volume"')
    metadata = parse(domain(text)).metadata
    assert (metadata["image"], metadata["image_ref"]) == (None, None)


def test_flavor_id_falls_back_to_its_name_in_metadata_of_older_novas() -> None:
    text = nova_metadata("p1", "u1").replace(' id="42"', "")
    assert parse(domain(text)).metadata["flavor"]["id"] == "m1.tiny"


def test_a_plain_domain_is_its_own_owner_and_flavor() -> None:
    info = parse(domain())
    assert (info.project_id, info.user_id, info.source) == (None, None, "libvirt")
    assert info.metadata["flavor"] is None
    assert info.metadata["instance_type"] is None
    assert (info.metadata["vcpus"], info.metadata["memory_mb"]) == (2, 2048)
    assert info.metadata["display_name"] == "instance-0000000a"
    assert (info.root_gb, info.ephemeral_gb) == (None, None)


def test_a_title_names_a_plain_domain() -> None:
    assert parse(domain(extra="<title>My box</title>")).metadata["display_name"] == "My box"


def test_a_plain_domain_may_name_its_owner_or_get_the_configured_one() -> None:
    own = telemetry_metadata('project="p7" user="u7"')
    owned, default = parse(domain(own), ("p0", "u0")), parse(domain(), ("p0", "u0"))
    assert (owned.project_id, owned.user_id) == ("p7", "u7")
    assert (default.project_id, default.user_id) == ("p0", "u0")
    named_only = parse(domain(telemetry_metadata('name="shop"')), ("p0", "u0"))
    assert (named_only.project_id, named_only.metadata["display_name"]) == ("p0", "shop")
    half = parse(domain(telemetry_metadata('project="p7"')), ("p0", "u0"))
    assert (half.project_id, half.user_id) == ("p7", None), "no pair of two owners"


def test_our_element_brings_a_name_and_keys_and_those_of_metering_as_nova_has_them() -> None:
    element = telemetry_metadata(
        'project="p7" user="u7" name="shop"',
        role="database", **{"metering.server.group": "asg1", "host": "mine", "long": "x" * 999},
    )  # fmt: skip
    devices = NIC.format(filter="")
    info = parse(domain(element, devices, extra="<title>not this</title>"))
    nic = info.nics["tapc0ffee00-00"].metadata
    for metadata in (info.metadata, nic):
        assert metadata["display_name"] == "shop"
        assert metadata["user_metadata"] == {"server_group": "asg1"}
        assert metadata["labels"] == {"role": "database", "host": "mine", "long": "x" * 256}
    assert info.metadata["host"] == hashlib.sha224(b"p7cmp01").hexdigest()


def test_which_keys_are_user_metadata_is_set_as_for_notifications() -> None:
    keys = {"group.a": "1", "tier": "2", "metering.b": "3"}
    text = domain(telemetry_metadata("", **keys))
    metadata = parse_domain(text, "cmp01", user_keys=UserKeys(("group.",), ("tier",), 8)).metadata
    assert metadata["user_metadata"] == {"a": "1", "tier": "2"}
    assert metadata["labels"] == {"metering.b": "3"}


def test_our_element_brings_no_secrets_and_never_too_much() -> None:
    keys = {"db_password": "pw-not-to-be-seen", "api_token": "pw-not-to-be-seen"}
    many = {f"{'k' * 300}{number}": "v" for number in range(2)} | {
        f"key{number}": "v" * 5000 for number in range(500)
    }
    info = parse(domain(telemetry_metadata("", **keys, **many)))
    assert "pw-not-to-be-seen" not in repr(info)
    wire.check_metadata("instance", info.metadata)
    assert len(info.metadata["labels"]) == 64


def test_keys_of_our_element_are_not_read_beside_novas() -> None:
    both = nova_metadata("p1", "u1").replace(
        "</metadata>", telemetry_metadata('project="p7"', a="b").replace("<metadata>", "")
    )
    info = parse(domain(both))
    assert (info.project_id, "labels" in info.metadata) == ("p1", False)


def test_disks_have_ids_of_instance_and_target_and_a_drive_without_source_is_left_out() -> None:
    info = parse(
        domain(
            devices="""
        <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/d'/>
          <target dev='vda'/></disk>
        <disk type='network' device='disk'><driver name='qemu' type='raw'/>
          <source protocol='rbd' name='volumes/v'/><target dev='vdb'/></disk>
        <disk type='file' device='cdrom'><target dev='hda'/><readonly/></disk>
        <disk type='file' device='cdrom'><source startupPolicy='optional' index='4'/>
          <target dev='hdb'/></disk>"""
        )
    )
    assert set(info.disks) == {"vda", "vdb"}
    disk = info.disks["vda"]
    assert (disk.source_type, disk.format) == ("file", "qcow2")
    assert (disk.resource.id, disk.resource.type) == (f"{UUID}-vda", "instance_disk")
    assert disk.resource.metadata == info.metadata | {"disk_name": "vda"}
    assert info.disks["vdb"].source_type == "network"


NIC = """
<interface type='bridge'><mac address='fa:16:3e:11:aa:22'/><source bridge='qbr1'/>
  <target dev='tapc0ffee00-00'/>{filter}
  <virtualport type='openvswitch'><parameters interfaceid='82070d61-400a'/></virtualport>
</interface>"""


def test_a_nic_has_the_classic_id_and_names_its_port_and_bridge() -> None:
    info = parse(domain(devices=NIC.format(filter="")))
    nic = info.nics["tapc0ffee00-00"]
    assert nic.id == f"instance-0000000a-{UUID}-tapc0ffee00-00"
    assert nic.type == "instance_network_interface"
    assert nic.metadata["vnic_name"] == nic.metadata["name"] == "tapc0ffee00-00"
    assert nic.metadata["mac"] == "fa:16:3e:11:aa:22"
    assert nic.metadata["fref"] is None
    assert nic.metadata["instance_id"] == UUID
    assert nic.metadata["parameters"] == {"interfaceid": "82070d61-400a", "bridge": "qbr1"}


def test_a_filter_names_the_nic_and_its_parameters_are_in_lower_case() -> None:
    rule = """<filterref filter='nova-instance-instance-0000000a-fa163e11aa22'>
      <parameter name='IP' value='10.0.0.5'/></filterref>"""
    nic = parse(domain(devices=NIC.format(filter=rule))).nics["tapc0ffee00-00"]
    assert nic.id == "nova-instance-instance-0000000a-fa163e11aa22"
    assert nic.metadata["vnic_name"] == nic.id
    assert nic.metadata["parameters"]["ip"] == "10.0.0.5"


def test_an_interface_without_tap_or_mac_is_left_out() -> None:
    devices = "<interface type='user'><mac address='fa:16:3e:11:aa:22'/></interface>"
    assert parse(domain(devices=devices)).nics == {}


def test_a_broken_xml_raises_with_the_place() -> None:
    with pytest.raises(DomainXmlError, match="line 1"):
        parse("<domain><name>")
