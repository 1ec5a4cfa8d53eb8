"""The stock definitions on the payloads of real services."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.notifications import (
    IMAGE,
    INSTANCE,
    PROJECT,
    USER,
    VOLUME,
    convert,
    image,
    instance,
    message,
    object_request,
    volume,
)

FLAVOR = {
    "memory": (2048.0, "MiB", "gauge"),
    "vcpus": (1.0, "vcpu", "gauge"),
    "disk.root.size": (20.0, "GiB", "gauge"),
    "disk.ephemeral.size": (5.0, "GiB", "gauge"),
}


# --- compute -----------------------------------------------------------------------------------


def test_a_created_instance_gives_its_flavor_and_its_booting_time() -> None:
    result = convert(instance())

    assert result.samples == {**FLAVOR, "compute.instance.booting.time": (11.7, "sec", "gauge")}
    assert {row["time"] for row in result.rows} == {"2026-11-25T02:00:13.104233+00:00"}
    for row in result.rows:
        resource = row["resource"]
        assert (resource.id, resource.type) == (INSTANCE, "instance")
        assert (resource.project_id, resource.user_id) == (PROJECT, USER)


def test_instance_metadata_has_what_was_asked_for_and_nothing_empty() -> None:
    metadata = convert(instance()).resource.metadata

    assert metadata == {
        "host": "cmp01",
        "flavor_id": "42",
        "flavor_name": "m1.small",
        "display_name": "web-1",
        "image_ref": IMAGE,
        "image_meta": {
            "base_image_ref": IMAGE,
            "min_ram": "0",
            "min_disk": "20",
            "disk_format": "qcow2",
            "container_format": "bare",
        },
        "created_at": "2026-11-25 02:00:01+00:00",
        "launched_at": "2026-11-25T02:00:12.700000",
        "user_metadata": {"server_group": "asg1"},
    }


def test_a_created_instance_makes_an_event_of_21_traits() -> None:
    result = convert(instance())

    assert result.event.event_type == "compute.instance.create.end"
    assert result.event.message_id == "0b0f4a5e-1c1d-4a51-9d9e-0a0000000001"
    assert result.event.raw == {}
    assert result.traits == {
        "service": "compute",
        "host": "cmp01",
        "request_id": "req-0a000000-0000-4000-8000-000000000001",
        "project_id": PROJECT,
        "tenant_id": PROJECT,
        "user_id": USER,
        "instance_id": INSTANCE,
        "resource_id": INSTANCE,
        "display_name": "web-1",
        "cell_name": "",
        "state": "active",
        "memory_mb": 2048,
        "vcpus": 1,
        "disk_gb": 25,
        "root_gb": 20,
        "ephemeral_gb": 5,
        "instance_type": "m1.small",
        "instance_type_id": "5",
        "instance_flavor_id": "42",
        "launched_at": "2026-11-25T02:00:12.700000+00:00",
        "availability_zone": "nova",
    }


@pytest.mark.parametrize(
    "phase",
    [
        "exists", "delete.start", "delete.end", "shutdown.end", "power_off.start", "power_on.end",
        "reboot.end", "rebuild.start", "resize.end", "finish_resize.end", "resize.confirm.end",
        "suspend", "resume", "pause.end", "unpause.end", "soft_delete.end", "restore.end",
        "live_migration.post.end",
    ],
)  # fmt: skip
def test_each_phase_of_an_instance_gives_the_four_flavor_meters(phase: str) -> None:
    assert convert(instance(f"compute.instance.{phase}")).samples == FLAVOR


def test_an_audit_keeps_its_period() -> None:
    period = {
        "audit_period_beginning": "2026-11-25 01:00:00",
        "audit_period_ending": "2026-11-25 02:00:00",
    }
    traits = convert(instance("compute.instance.exists", **period)).traits

    assert traits["audit_period_beginning"] == "2026-11-25T01:00:00+00:00"
    assert traits["audit_period_ending"] == "2026-11-25T02:00:00+00:00"
    assert traits["memory_mb"] == 2048


def test_a_deleted_instance_has_its_time_of_deletion() -> None:
    gone = {"state": "deleted", "deleted_at": "2026-11-25T03:00:00.000000"}
    result = convert(instance("compute.instance.delete.end", **gone))

    assert result.traits["deleted_at"] == "2026-11-25T03:00:00+00:00"
    assert result.resource.metadata["deleted_at"] == "2026-11-25T03:00:00.000000"


@pytest.mark.parametrize("phase", ["create.start", "update"])
def test_phases_before_a_host_is_chosen_give_an_event_and_no_sample(phase: str) -> None:
    result = convert(instance(f"compute.instance.{phase}", host=None, old_state="building"))

    assert result.samples == {}
    assert result.event.event_type == f"compute.instance.{phase}"
    assert result.traits.get("old_state") == ("building" if phase == "update" else None)


def test_a_failed_creation_is_an_event_of_priority_error_without_samples() -> None:
    failed = instance("compute.instance.create.error", code=500, exception="NoValidHost")
    result = convert({**failed, "priority": "ERROR"})

    assert result.event.event_type == "compute.instance.create.error"
    assert result.samples == {}


def test_image_properties_with_underscored_names_become_os_traits() -> None:
    properties = {"org.openstack__1__architecture": "x64", "org.openstack__1__os_distro": "debian"}
    traits = convert(instance(image_meta=properties)).traits

    assert (traits["os_architecture"], traits["os_distro"]) == ("x64", "debian")
    assert "os_version" not in traits


# --- block storage -----------------------------------------------------------------------------


def test_a_created_volume_gives_its_size() -> None:
    result = convert(volume())

    assert result.samples == {"volume.size": (1.0, "GiB", "gauge")}
    assert (result.resource.id, result.resource.type) == (VOLUME, "volume")
    assert result.resource.metadata == {
        "display_name": "v1",
        "volume_type": "5b378b1d-5107-405a-96f8-7f462e7ec51b",
        "volume_type_id": "5b378b1d-5107-405a-96f8-7f462e7ec51b",
    }
    assert result.traits["size"] == 1
    assert result.traits["created_at"] == "2026-11-25T01:59:41.801012+00:00"
    assert result.traits["host"] == "cmp01@lvm#lvm"


@pytest.mark.parametrize(
    ("event_type", "size"),
    [
        ("volume.exists", 1), ("volume.retype", 1), ("volume.resize.start", 1),
        ("volume.resize.end", 2), ("volume.delete.end", 2), ("volume.attach.end", 2),
        ("volume.detach.start", 2), ("volume.update.end", 2),
        ("volume.manage_existing.end", 3),
    ],
)  # fmt: skip
def test_each_phase_of_a_volume_gives_its_size_of_then(event_type: str, size: int) -> None:
    assert convert(volume(event_type, size=size)).samples == {
        "volume.size": (float(size), "GiB", "gauge")
    }


def test_an_attached_volume_names_its_instance() -> None:
    attached = [{"server_id": INSTANCE, "attached_host": "cmp01", "mountpoint": "/dev/vdb"}]
    result = convert(volume("volume.attach.end", volume_attachment=attached))

    assert result.resource.metadata["instance_id"] == INSTANCE
    assert result.traits["instance_id"] == INSTANCE


@pytest.mark.parametrize(
    ("glance_metadata", "expected"),
    [
        ([{"key": "image_id", "value": "img-1"}, {"key": "x", "value": "y"}], "img-1"),
        ({"image_id": "img-1"}, "img-1"),
        ([{"key": "x", "value": "y"}, "text", None, 5], None),
        ([], None),
        ("img-1", None),
        (None, None),
    ],
)
def test_the_image_of_a_volume_is_found_in_each_form(glance_metadata: Any, expected: Any) -> None:
    result = convert(volume(size=3, glance_metadata=glance_metadata))

    assert result.samples["volume.size"][0] == 3
    assert result.resource.metadata.get("image_id") == expected
    assert result.traits.get("image_id") == expected
    assert not result.batch.rejects


def test_a_snapshot_gives_its_size_and_an_event() -> None:
    payload = {
        "tenant_id": PROJECT, "user_id": USER, "availability_zone": "nova", "volume_id": VOLUME,
        "volume_size": 1, "snapshot_id": "db5a6b2a-da37-45a8-85d5-a73496feedd1",
        "display_name": "s1", "created_at": "2026-11-25T02:00:12+00:00", "status": "available",
        "deleted": "", "metadata": "",
    }  # fmt: skip
    result = convert(message("snapshot.create.end", payload, publisher_id="snapshot.cmp01@lvm"))

    assert result.samples == {"snapshot.size": (1.0, "GiB", "gauge")}
    assert result.resource.id == "db5a6b2a-da37-45a8-85d5-a73496feedd1"
    assert result.resource.type == "volume"  # what the pollster of snapshots says, too
    managed = convert(message("snapshot.manage_existing_snapshot.end", payload))
    assert managed.samples == result.samples
    assert result.traits["resource_id"] == "db5a6b2a-da37-45a8-85d5-a73496feedd1"
    assert result.traits["volume_id"] == VOLUME


def test_a_backup_gives_its_size() -> None:
    payload = {
        "tenant_id": PROJECT, "user_id": USER, "backup_id": "b1", "size": 7, "display_name": "b"
    }  # fmt: skip
    assert convert(message("backup.create.end", payload)).samples == {
        "backup.size": (7.0, "GiB", "gauge")
    }


# --- images ------------------------------------------------------------------------------------


def test_an_uploaded_image_gives_its_size_and_belongs_to_its_project_alone() -> None:
    result = convert(image())

    assert result.samples == {"image.size": (5000.0, "B", "gauge")}
    assert (result.resource.project_id, result.resource.user_id) == (PROJECT, None)
    assert result.resource.metadata["event_type"] == "image.upload"
    assert result.resource.metadata["host"] == "image.localhost"
    assert result.resource.metadata["disk_format"] == "raw"
    assert result.traits["project_id"] == PROJECT
    assert "user_id" not in result.traits  # `owner` is a project


def test_an_image_without_data_has_no_size_yet() -> None:
    created = convert(image("image.create", status="queued", size=None))
    updated = convert(image("image.update", status="saving", size=None))

    assert created.samples == updated.samples == {}
    assert (created.tally.empty, updated.tally.empty) == (0, 1)  # no meter listens to the first
    assert created.event.event_type == "image.create"
    assert "size" not in updated.traits
    assert not updated.batch.rejects


def test_a_deleted_image_gives_its_size_once_more() -> None:
    gone = {"deleted": True, "deleted_at": "2026-11-25T02:10:00Z"}
    result = convert(image("image.delete", **gone))

    assert result.samples == {"image.size": (5000.0, "B", "gauge")}
    assert result.traits["deleted_at"] == "2026-11-25T02:10:00+00:00"


def test_a_downloaded_image_counts_for_owner_and_receiver() -> None:
    payload = {
        "bytes_sent": 5000, "image_id": IMAGE, "owner_id": PROJECT,
        "receiver_tenant_id": "p2", "receiver_user_id": "u2",
    }  # fmt: skip
    result = convert(message("image.send", payload))
    owners = {
        row["meter"]: (row["resource"].project_id, row["resource"].user_id) for row in result.rows
    }

    assert result.samples == {
        "image.download": (5000.0, "B", "delta"),
        "image.serve": (5000.0, "B", "delta"),
    }
    assert owners == {"image.download": ("p2", "u2"), "image.serve": (PROJECT, None)}
    assert result.traits["bytes_sent"] == 5000


# --- network -----------------------------------------------------------------------------------

NEUTRON = {
    "_context_project_id": PROJECT,
    "_context_user": USER,
    "_context_request_id": "req-1",
    "publisher_id": "network.ctl1",
}


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("network", True), ("subnet", True), ("port", True), ("router", True),
        ("floatingip", False), ("firewall", True), ("firewall_policy", True),
        ("firewall_rule", True), ("vpnservice", True), ("ipsecpolicy", True), ("ikepolicy", True),
        ("ipsec_site_connection", True),
    ],
)  # fmt: skip
def test_a_network_thing_is_known_in_each_phase(kind: str, named: bool) -> None:
    whole = {kind: {"id": "n1", "name": "net", "tenant_id": PROJECT, "project_id": PROJECT}}
    phases = {
        "create.start": {kind: {"name": "net", "tenant_id": PROJECT}},
        "create.end": whole,
        "update.start": {kind: {"mtu": 1400}, "id": "n1"},
        "delete.start": {f"{kind}_id": "n1"},
        "delete.end": {**whole, f"{kind}_id": "n1"},
    }
    found = {
        phase: convert(message(f"{kind}.{phase}", payload, **NEUTRON)).traits
        for phase, payload in phases.items()
    }

    assert {phase: traits.get("resource_id") for phase, traits in found.items()} == {
        "create.start": None,
        "create.end": "n1",
        "update.start": "n1",
        "delete.start": "n1",
        "delete.end": "n1",
    }
    assert found["create.end"].get("name") == ("net" if named else None)
    for traits in found.values():
        assert (traits["project_id"], traits["user_id"]) == (PROJECT, USER)


def test_the_project_of_a_network_thing_is_in_its_payload_where_no_context_came() -> None:
    payload = {"port": {"id": "n1", "tenant_id": PROJECT, "project_id": PROJECT}}

    assert convert(message("port.create.end", payload)).traits["project_id"] == PROJECT


def test_metered_traffic_gives_bandwidth() -> None:
    payload = {"label_id": "l1", "bytes": 1234, "pkts": 5, "tenant_id": PROJECT, "host": "net1"}
    result = convert(message("l3.meter", payload))

    assert result.samples == {"bandwidth": (1234.0, "B", "delta")}
    assert result.resource.project_id == PROJECT


# --- identity, orchestration, others -------------------------------------------------------------

INITIATOR = {
    "id": USER, "typeURI": "service/security/account/user", "user_id": USER, "project_id": PROJECT,
    "name": "admin", "host": {"address": "127.0.0.1", "agent": "python-openstackclient"},
}  # fmt: skip


def cadf(**fields: Any) -> dict[str, Any]:
    return {
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event", "eventType": "activity",
        "id": "e1", "eventTime": "2026-11-25T01:53:43.162076+0000", "outcome": "success",
        "observer": {"id": "o1", "typeURI": "service/security"}, "initiator": INITIATOR,
        "target": {"id": "t1", "typeURI": "data/security/account/user"}, **fields,
    }  # fmt: skip


def test_a_created_user_is_an_event() -> None:
    payload = cadf(action="created.user", resource_info="t1")
    result = convert(message("identity.user.created", payload, publisher_id="identity.ctl1"))

    assert result.samples == {}
    assert result.traits["resource_id"] == "t1"
    assert result.traits["initiator_id"] == USER
    assert result.traits["project_id"] == PROJECT


def test_a_bootstrap_message_without_initiator_is_an_event() -> None:
    payload = cadf(resource_info="t1")
    del payload["initiator"]
    traits = convert(message("identity.role.created", payload)).traits

    assert traits == {"service": "service.cmp01", "resource_id": "t1"}


def test_a_role_assignment_names_role_user_and_project() -> None:
    payload = cadf(role="r1", user="u9", project="p9", inherited_to_projects=False)
    traits = convert(message("identity.role_assignment.created", payload)).traits

    assert (traits["role"], traits["user"], traits["project"]) == ("r1", "u9", "p9")


def test_a_login_keeps_its_outcome_and_time() -> None:
    traits = convert(message("identity.authenticate", cadf(action="authenticate"))).traits

    assert traits["outcome"] == "success"
    assert traits["eventTime"] == "2026-11-25T01:53:43.162076+00:00"
    assert traits["initiator_host_agent"] == "python-openstackclient"


def test_a_stack_is_known_by_its_name_and_the_id_of_its_user() -> None:
    payload = {
        "tenant_id": PROJECT, "user_id": "admin", "user_identity": USER, "username": "admin",
        "stack_identity": "s1", "stack_name": "st1", "state": "CREATE_COMPLETE",
    }  # fmt: skip
    traits = convert(message("orchestration.stack.create.end", payload)).traits

    assert (traits["name"], traits["resource_id"], traits["user_id"]) == ("st1", "s1", USER)


def test_a_share_gives_an_event() -> None:
    payload = {"share_id": "s1", "project_id": PROJECT, "user_id": USER, "size": 4, "proto": "NFS"}
    traits = convert(message("share.create.end", payload)).traits

    assert (traits["share_id"], traits["size"], traits["project_id"]) == ("s1", 4, PROJECT)


def test_a_dns_zone_gives_an_event() -> None:
    payload = {"id": "z1", "tenant_id": PROJECT, "name": "a.example.", "ttl": 60, "pool_id": "q1"}
    traits = convert(message("dns.zone.create", payload)).traits

    assert (traits["resource_id"], traits["ttl"], traits["pool_id"]) == ("z1", "60", "q1")


def test_a_load_balancer_gives_an_event() -> None:
    payload = {"loadbalancer_id": "l1", "project_id": PROJECT, "admin_state_up": True}
    traits = convert(message("octavia.loadbalancer.create.end", payload)).traits

    assert (traits["resource_id"], traits["admin_state_up"]) == ("l1", "True")


def test_an_alarm_change_gives_an_event() -> None:
    payload = {"alarm_id": "a1", "project_id": PROJECT, "user_id": USER, "severity": "low"}
    traits = convert(message("alarm.state_transition", payload)).traits

    assert (traits["id"], traits["severity"]) == ("a1", "low")


def test_a_type_without_definition_is_stored_with_the_default_traits() -> None:
    payload = {"volume_id": VOLUME, "tenant_id": PROJECT, "user_id": USER, "reads": 10}
    result = convert(message("volume.usage", payload))

    assert result.samples == {}
    assert result.traits == {
        "service": "service.cmp01",
        "project_id": PROJECT,
        "tenant_id": PROJECT,
        "user_id": USER,
    }


# --- object storage and HTTP -------------------------------------------------------------------


def test_an_object_request_gives_a_sample_a_measurement() -> None:
    request = object_request(
        ("storage.api.request", "request", 1), ("storage.objects.incoming.bytes", "B", 11)
    )
    result = convert(request)

    assert result.samples == {
        "storage.api.request": (1.0, "request", "delta"),
        "storage.objects.incoming.bytes": (11.0, "B", "delta"),
    }
    resource = result.resource
    assert (resource.id, resource.project_id, resource.user_id) == (PROJECT, PROJECT, USER)
    # One revision of the account a request would be without end.
    assert resource.metadata == {}


def test_an_object_request_keeps_the_traits_of_its_own_definition() -> None:
    traits = convert(object_request(("storage.api.request", "request", 1))).traits

    assert traits["target_metadata_container"] == "c1"
    assert traits["initiator_project_id"] == PROJECT


def test_an_anonymous_object_request_belongs_to_no_user() -> None:
    """The middleware makes up a fresh user id for each such request."""
    outgoing = ("storage.objects.outgoing.bytes", "B", 28)
    anonymous = {"id": "random-1", "typeURI": "service/security/account/user", "project_id": None}
    request = object_request(
        outgoing, ("storage.objects.incoming.bytes", "B", 1),
        initiator=anonymous, target={"id": "account"},
    )  # fmt: skip
    result = convert(request)

    assert result.samples == {
        "storage.objects.outgoing.bytes": (28.0, "B", "delta"),
        "storage.objects.incoming.bytes": (1.0, "B", "delta"),
    }
    assert result.resource.id == "account"
    assert result.resource.project_id is None
    assert result.resource.user_id is None
    assert "user_id" not in result.traits


def test_an_audited_http_response_keeps_its_code() -> None:
    payload = cadf(requestPath="/v2/images", reason={"reasonCode": "200"})
    traits = convert(message("audit.http.response", payload)).traits

    assert (traits["requestPath"], traits["reason_code"]) == ("/v2/images", "200")


# --- back ends, hypervisors, others --------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "prefix", "type"),
    [
        ("backend", "volume.provider.capacity", "volume_provider"),
        ("pool", "volume.provider.pool.capacity", "volume_provider_pool"),
    ],
)
def test_a_back_end_tells_its_capacity(kind: str, prefix: str, type: str) -> None:
    payload = {
        "name_to_id": "cmp01@lvm#lvm", "type": kind, "total": 100, "free": 80, "allocated": 10,
        "provisioned": 20, "virtual_free": 75, "reported_at": "2026-11-25T02:00:00",
    }  # fmt: skip
    result = convert(message(f"capacity.{kind}", payload))

    assert result.samples == {
        f"{prefix}.{name}": (float(payload[name]), "GiB", "gauge")  # type: ignore[arg-type]
        for name in ("total", "free", "allocated", "provisioned", "virtual_free")
    }
    assert (result.resource.id, result.resource.type) == ("cmp01@lvm#lvm", type)
    if kind == "pool":
        assert result.resource.metadata == {"provider": "cmp01@lvm"}


def test_a_hypervisor_tells_each_counter_with_its_own_time() -> None:
    def counter(name: str, value: float, second: int) -> dict[str, Any]:
        timestamp = f"2026-11-25T02:00:{second:02}.000000"
        return {"name": name, "value": value, "timestamp": timestamp, "source": "libvirt"}

    times = ("user", "kernel", "idle", "iowait")
    metrics = [counter("cpu.frequency", 2600, 0), counter("cpu.percent", 0.03, 1)]
    metrics += [counter(f"cpu.{name}.time", 1000, 2) for name in times]
    metrics += [counter(f"cpu.{name}.percent", 0.25, 3) for name in times]
    payload = {"metrics": metrics, "host": "cmp01", "nodename": "cmp01.example.org"}
    result = convert(message("compute.metrics.update", payload))

    assert result.samples == {
        "compute.node.cpu.frequency": (2600.0, "MHz", "gauge"),
        "compute.node.cpu.percent": (3.0, "percent", "gauge"),
        **{f"compute.node.cpu.{name}.time": (1000.0, "ns", "cumulative") for name in times},
        **{f"compute.node.cpu.{name}.percent": (25.0, "percent", "gauge") for name in times},
    }
    assert {row["time"] for row in result.rows} == {
        f"2026-11-25T02:00:0{second}+00:00" for second in range(4)
    }
    assert result.resource.id == "cmp01_cmp01.example.org"
    assert result.resource.metadata["source"] == "libvirt"


@pytest.mark.parametrize("outcome", ["success", "failure", "pending"])
def test_a_login_counts_for_its_user_by_its_outcome(outcome: str) -> None:
    payload = cadf(action="authenticate", outcome=outcome)
    result = convert(message("identity.authenticate", payload))

    assert result.samples == {f"identity.authenticate.{outcome}": (1.0, "user", "delta")}
    assert (result.resource.id, result.resource.user_id) == (USER, USER)


def test_a_login_of_nobody_known_counts_for_the_service() -> None:
    payload = cadf(action="authenticate", outcome="failure", initiator={"typeURI": "x"})
    result = convert(message("identity.authenticate", payload))

    assert (result.resource.id, result.resource.user_id) == ("o1", None)


def test_a_cluster_names_its_own_meters() -> None:
    payload = {
        "user_id": USER, "project_id": PROJECT, "resource_id": "bay1",
        "metrics": [
            {"name": "memory_util", "unit": "%", "value": 40.5},
            {"name": "pods", "unit": "pod", "value": 7},
        ],
    }  # fmt: skip
    result = convert(message("magnum.bay.metrics.update", payload))

    assert result.samples == {
        "memory_util": (40.5, "%", "gauge"),
        "pods": (7.0, "pod", "gauge"),
    }


AUDIT = {
    "audit_period_beginning": "2026-11-25 01:00:00",
    "audit_period_ending": "2026-11-25 02:00:00",
}


@pytest.mark.parametrize(
    ("event_type", "payload", "type"),
    [
        ("dns.domain.exists", {"id": "d1"}, "dns_zone"),
        ("trove.instance.exists", {"instance_id": "d1"}, "generic"),
    ],
)
def test_an_audit_gives_the_seconds_that_it_covers(
    event_type: str, payload: dict[str, Any], type: str
) -> None:
    result = convert(message(event_type, {**AUDIT, **payload, "tenant_id": PROJECT}))

    assert result.samples == {event_type: (3600.0, "s", "cumulative")}
    assert (result.resource.id, result.resource.type) == ("d1", type)
    assert result.traits["audit_period_ending"] == "2026-11-25T02:00:00+00:00"


@pytest.mark.parametrize("phase", ["create.end", "extend.start", "shrink.end", "delete.end"])
def test_a_share_gives_its_size(phase: str) -> None:
    payload = {"share_id": "s1", "project_id": PROJECT, "size": 4, "proto": "NFS", "name": "x"}
    result = convert(message(f"share.{phase}", payload))

    assert result.samples == {"manila.share.size": (4.0, "GiB", "gauge")}
    assert result.resource.metadata == {"name": "x", "protocol": "NFS"}


def test_a_database_of_trove_gives_an_event() -> None:
    payload = {
        "instance_id": "t1", "tenant_id": PROJECT, "volume_size": 8, "old_volume_size": 4,
        "modify_at": "2026-11-25T02:00:00",
    }  # fmt: skip
    traits = convert(message("trove.instance.modify_volume", payload)).traits

    assert (traits["resource_id"], traits["volume_size"], traits["old_volume_size"]) == ("t1", 8, 4)
    assert traits["modify_at"] == "2026-11-25T02:00:00+00:00"


def test_a_tenants_own_keys_are_kept_unless_metering_has_the_name() -> None:
    own = {"metering.a.b": "x" * 300, "metering.host": "mine", "other": "y"}
    metadata = convert(instance(metadata=own)).resource.metadata

    assert metadata["user_metadata"] == {"a_b": "x" * 256}
    assert metadata["host"] == "cmp01"
