"""Two hypervisors at once, guests that change between two polls, and who may ask libvirt."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from meters import wire
from pollers.batch import BatchBuilder
from pollers.compute import libvirt_source
from pollers.compute.hypervisor import Hypervisor
from pollers.compute.libvirt_source import LibvirtSource
from pollers.compute.process import HypervisorError
from pollers.polls import run_poll
from telemetry_site.clock import now_us
from tests.libvirt_host import LibvirtHost, libvirt_host, telemetry_metadata, why_not
from tests.samples import Sample, samples_of

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "libvirt is there"),
]

SHOP = "6f1a2b3c-0000-4000-8000-0000000000c1"
OTHER = "6f1a2b3c-0000-4000-8000-0000000000c2"
DEADLINE_S = 6.0
OWNED = telemetry_metadata(
    'project="p1" user="u1" name="shop"', role="db", **{"metering.server_group": "asg1"}
)

Samples = dict[tuple[str, str], Sample]


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[LibvirtHost, LibvirtHost]]:
    """A guest on each, "shop" and "other"."""
    with libvirt_host() as first, libvirt_host(like=first) as second:
        first.define("shop", SHOP, OWNED)
        second.define("other", OTHER)
        first.virsh("start", "shop")
        second.virsh("start", "other")
        yield first, second


@pytest.fixture
def sources(hosts: tuple[LibvirtHost, LibvirtHost]) -> Iterator[tuple[LibvirtSource, ...]]:
    """An agent's source of each host."""
    with ExitStack() as stack:
        made = []
        for name, host in zip(("cmp01", "cmp02"), hosts, strict=True):
            hypervisor = Hypervisor(host.uri, DEADLINE_S)
            stack.callback(hypervisor.close)
            made.append(LibvirtSource(hypervisor, name, ("", "")))
        yield tuple(made)


def poll(source: LibvirtSource) -> tuple[Samples, wire.PollReport]:
    builder = BatchBuilder("compute.test")
    report = run_poll(source, builder, now_us(), 10)
    assert not builder.rejects
    return samples_of(builder), report


def meters_of(samples: Samples, resource: str) -> set[str]:
    return {meter for name, meter in samples if name == resource}


def test_two_hosts_tell_of_their_own_guests_and_a_frozen_one_hinders_only_its_host(
    hosts: tuple[LibvirtHost, LibvirtHost], sources: tuple[LibvirtSource, ...]
) -> None:
    (first, _), (second, _) = (poll(source) for source in sources)
    assert {"cpu", "memory", "power.state"} <= meters_of(first, SHOP)
    assert {"cpu", "memory", "power.state"} <= meters_of(second, OTHER)
    assert not meters_of(first, OTHER)
    assert not meters_of(second, SHOP)
    with hosts[1].frozen("other"):
        (_, healthy), (_, hindered) = (poll(source) for source in sources)
        assert (healthy.outcome, healthy.errors) == ("ok", [])
        assert any("other" in error for error in hindered.errors), hindered.errors


def test_a_plain_guest_is_owned_and_described_by_its_own_element(
    sources: tuple[LibvirtSource, ...],
) -> None:
    samples, _ = poll(sources[0])
    for key in ((SHOP, "cpu"), (f"{SHOP}-vda", "disk.device.read.bytes")):
        resource = samples[key].resource
        assert (resource.project_id, resource.user_id) == ("p1", "u1")
        assert resource.metadata["display_name"] == "shop"
        assert resource.metadata["user_metadata"] == {"server_group": "asg1"}
        assert resource.metadata["labels"] == {"role": "db"}


def test_after_a_live_migration_only_the_host_that_runs_the_guest_tells_of_it(
    hosts: tuple[LibvirtHost, LibvirtHost], sources: tuple[LibvirtSource, ...]
) -> None:
    uuid = "6f1a2b3c-0000-4000-8000-0000000000c3"
    hosts[0].define("moving", uuid, OWNED)
    hosts[0].virsh("start", "moving")
    try:
        assert "cpu" in meters_of(poll(sources[0])[0], uuid)
        hosts[0].migrate("moving", hosts[1])
        (left, report), (arrived, _) = (poll(source) for source in sources)
        assert not meters_of(left, uuid)
        assert (report.outcome, report.details["migrated_away"]) == ("ok", 1)
        assert arrived[uuid, "power.state"].value == 1
        assert {"cpu", "memory", "vcpus"} <= meters_of(arrived, uuid)
        resource = arrived[uuid, "cpu"].resource
        assert (resource.project_id, resource.metadata["labels"]) == ("p1", {"role": "db"})
        assert resource.metadata["instance_host"] == "cmp02"
    finally:
        for host in hosts:
            host.remove("moving")


def test_a_medium_put_in_while_the_guest_runs_is_measured_until_it_is_taken_out(
    hosts: tuple[LibvirtHost, LibvirtHost], sources: tuple[LibvirtSource, ...]
) -> None:
    drive = f"{SHOP}-hda"
    assert not meters_of(poll(sources[0])[0], drive)
    medium = hosts[0].directory / "medium.iso"
    medium.write_bytes(bytes(1 << 20))
    hosts[0].virsh("change-media", "shop", "hda", str(medium), "--insert", "--live")
    samples, _ = poll(sources[0])
    assert samples[drive, "disk.device.capacity"].value == 1 << 20
    assert samples[drive, "disk.device.capacity"].resource.project_id == "p1"
    hosts[0].virsh("change-media", "shop", "hda", "--eject", "--live")
    assert not meters_of(poll(sources[0])[0], drive)


def test_a_nic_plugged_in_while_the_guest_runs_is_measured_with_its_owner(
    hosts: tuple[LibvirtHost, LibvirtHost], sources: tuple[LibvirtSource, ...]
) -> None:
    nic = f"shop-{SHOP}-tlmtap8"
    assert not meters_of(poll(sources[0])[0], nic)
    hosts[0].plug_nic("shop", "tlmtap8", SHOP)
    first, later = poll(sources[0])[0], poll(sources[0])[0]
    assert {"network.incoming.bytes", "network.outgoing.packets.drop"} <= meters_of(first, nic)
    meter = "network.incoming.bytes"
    grown = later[nic, meter].value - first[nic, meter].value
    assert first[nic, f"{meter}.delta"].value == 0
    assert later[nic, f"{meter}.delta"].value == grown
    metadata = later[nic, meter].resource.metadata
    assert (metadata["mac"], metadata["vnic_name"]) == ("fa:16:3e:11:00:c1", "tlmtap8")
    assert metadata["user_metadata"] == {"server_group": "asg1"}


def test_a_renamed_then_undefined_guest_is_followed_under_its_uuid(
    hosts: tuple[LibvirtHost, LibvirtHost], sources: tuple[LibvirtSource, ...]
) -> None:
    uuid = "6f1a2b3c-0000-4000-8000-0000000000c4"
    hosts[0].define("before", uuid)
    try:
        assert poll(sources[0])[0][uuid, "power.state"].resource.metadata["name"] == "before"
        hosts[0].virsh("domrename", "before", "after")
        assert poll(sources[0])[0][uuid, "power.state"].resource.metadata["name"] == "after"
        hosts[0].virsh("start", "after")
        hosts[0].virsh("undefine", "after")
        samples, report = poll(sources[0])
        assert "cpu" in meters_of(samples, uuid), "without definition it still runs"
        hosts[0].virsh("destroy", "after")
        samples, report = poll(sources[0])
        assert (meters_of(samples, uuid), report.outcome) == (set(), "ok")
    finally:
        for name in ("before", "after"):
            hosts[0].remove(name)


def test_metadata_changed_while_the_guest_runs_are_seen_when_they_are_read_again(
    hosts: tuple[LibvirtHost, LibvirtHost], sources: tuple[LibvirtSource, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    poll(sources[1])
    hosts[1].virsh(
        "metadata", "other", "--live", "--uri", "urn:telemetry:instance", "--key", "telemetry",
        "--set", '<instance project="p9" name="renamed"><key name="role">web</key></instance>',
    )  # fmt: skip
    monkeypatch.setattr(libvirt_source, "REFRESH_S", 0.0)
    resource = poll(sources[1])[0][OTHER, "cpu"].resource
    assert resource.project_id == "p9"
    assert resource.metadata["display_name"] == "renamed"
    assert resource.metadata["labels"] == {"role": "web"}


# --- who may ask libvirt -------------------------------------------------------------------------

#: Asks as a user without any right; the interpreter itself may be root's alone.
NOBODY = """
import json, os, sys
from pollers.compute.child import Child, libvirt
libvirt.registerErrorHandler(lambda *_: None, None)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(json.dumps(Child(sys.argv[1]).answer({"do": sys.argv[2]})))
"""


def as_nobody(uri: str, what: str = "stats") -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, uri, what], capture_output=True, text=True, check=True
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.fixture
def open_directory(hosts: tuple[LibvirtHost, LibvirtHost]) -> LibvirtHost:
    """The second host, whose sockets others can reach."""
    hosts[1].directory.chmod(0o711)
    (hosts[1].directory / "run").chmod(0o711)
    return hosts[1]


def test_a_user_with_the_read_only_socket_alone_gets_every_number(
    open_directory: LibvirtHost,
) -> None:
    answer = as_nobody(open_directory.uri)
    assert isinstance(answer["ok"], dict)
    (domain,) = answer["ok"]["domains"]
    assert domain[0] == OTHER
    assert {"cpu.time", "balloon.rss", "block.0.wr.bytes"} <= set(domain[3])


def test_what_keeps_a_user_out_is_said_by_libvirt_and_what_to_do_by_us(
    open_directory: LibvirtHost,
) -> None:
    socket = open_directory.directory / "run" / "libvirt-sock-ro"
    socket.chmod(0o700)
    closed = _words(as_nobody(open_directory.uri))
    assert "Permission denied" in closed
    assert "unix_sock_ro_perms" in closed
    open_directory.kill()
    try:
        open_directory.configure(auth_unix_ro="polkit")
        open_directory.start()
        refused = _words(as_nobody(open_directory.uri))
        assert "auth_unix_ro" in refused
        assert not refused.startswith("libvirt does not let"), "its own sentence comes first"
    finally:
        open_directory.kill()
        open_directory.configure(auth_unix_ro="none")
        open_directory.start()


def _words(answer: dict[str, object]) -> str:
    """As the sources page shows them."""
    code = answer["code"]
    assert isinstance(code, int)
    return str(HypervisorError(str(answer["error"]), code=code))
