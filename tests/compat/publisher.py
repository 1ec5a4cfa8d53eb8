"""What ceilometer's `gnocchi://` publisher sends, read back through the metric API.

Runs in ceilometer's environment (`make compat SUITE=ceilometer`). The publisher logs an error where
another would raise: a test fails when ceilometer logs anything worse than what it expects.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from ceilometer import gnocchi_client
from ceilometer.event.models import Event, Trait
from ceilometer.publisher import get_publisher
from ceilometer.sample import Sample
from ceilometer.service import prepare_service

URL = os.environ["METRIC_API_URL"]
#: No Keystone is asked for the id of gnocchi's own project.
PUBLISHER = "gnocchi://?enable_filter_project=false"
BUCKET_S = 300
#: Of ceilometer-low: where its buckets begin, and one measure is the mean of one.
TIMES = [
    datetime.fromtimestamp(datetime.now(UTC).timestamp() // BUCKET_S * BUCKET_S, UTC)
    - timedelta(hours=2)
    + timedelta(seconds=BUCKET_S * number)
    for number in range(3)
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ceilometer") / "ceilometer.conf"
    login = f"auth_type = gnocchi-basic\nuser = admin\nendpoint = {URL}\n"
    file.write_text(f"[service_credentials]\n{login}")
    return file


def upgrade(config: Path) -> None:
    """The command as an operator runs it."""
    command = Path(sys.executable).with_name("ceilometer-upgrade")
    options = ["--config-file", config, "--retry", "1"]
    ran = subprocess.run([command, *options], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ERROR" not in ran.stderr


@pytest.fixture(scope="module")
def upgraded(config: Path) -> Path:
    upgrade(config)
    return config


@pytest.fixture(scope="module")
def conf(upgraded: Path) -> Any:
    return prepare_service(["ceilometer"], [str(upgraded)])


@pytest.fixture
def publisher(conf: Any) -> Any:
    """With a cache of its own, as a process just started has it."""
    return get_publisher(conf, PUBLISHER, "ceilometer.sample.publisher")


@pytest.fixture(autouse=True)
def complaints(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """What ceilometer logged since it was last asked for; asked for again at the end."""

    def taken() -> list[str]:
        found = [one for one in caplog.records if one.levelno >= logging.WARNING]
        texts = [one.getMessage() for one in found if one.name.startswith("ceilometer")]
        caplog.clear()
        return texts

    yield taken
    assert taken() == []


def api(path: str, **params: str) -> Any:
    """What the API answers to a GET."""
    answer = requests.get(f"{URL}/v1/{path}", auth=("admin", ""), params=params, timeout=30)
    answer.raise_for_status()
    return answer.json()


def all_of(kind: str, *names: str) -> list[dict[str, Any]]:
    """The resources of a type with these original ids, in their order: each exactly once."""
    rows = api(f"resource/{kind}")
    found = [[row for row in rows if row["original_resource_id"] == name] for name in names]
    assert [len(some) for some in found] == [1] * len(names)
    return [row for (row,) in found]


def history(kind: str, name: str) -> list[dict[str, Any]]:
    return api(f"resource/{kind}/{name}/history", sort="revision_start:asc")


def measures(kind: str, name: str, metric: str, **params: str) -> list[tuple[datetime, float]]:
    rows = api(f"resource/{kind}/{name}/metric/{metric}/measures", **params)
    return [(datetime.fromisoformat(when), value) for when, _, value in rows]


def sampled(
    meter: str, unit: str, values: list[float], resource: str, metadata: dict[str, Any], **who: str
) -> list[Sample]:
    """A sample for each of the times, in the form that a polling agent gives them."""
    owner = {"user_id": "user-1", "project_id": "project-1"} | who
    return [
        Sample(
            name=meter, type="gauge", unit=unit, volume=value, resource_id=resource,
            timestamp=when.replace(tzinfo=None).isoformat(), resource_metadata=metadata, **owner,
        )
        for when, value in zip(TIMES, values, strict=False)
    ]  # fmt: skip


class Machine:
    """An instance with a disk, an interface and a volume: ids, metadata, and samples of each."""

    def __init__(self) -> None:
        self.id = str(uuid4())
        self.disk, self.interface = f"{self.id}-vda", f"instance-00000001-{self.id}-tap1"
        self.volume = str(uuid4())
        self.project = "project-1"
        self.instance_metadata: dict[str, Any] = {
            "host": "host-1", "display_name": "web", "launched_at": "2026-01-02T03:04:05",
            "flavor": {"id": "42", "name": "m1.tiny"}, "image_ref": None,
        }  # fmt: skip
        self.volume_metadata: dict[str, Any] = {"display_name": "data", "volume_type": "ssd"}

    def samples(self) -> list[Sample]:
        part = {"instance_id": self.id}
        disk, interface = part | {"disk_name": "vda"}, part | {"vnic_name": "tap1"}
        return [
            *sampled("cpu", "ns", [1e9, 4e9, 6e9], self.id, self.instance_metadata),
            *sampled("memory.usage", "MB", [100, 101.5, 99], self.id, self.instance_metadata),
            *sampled("vcpus", "vcpu", [2, 2, 2], self.id, self.instance_metadata),
            *sampled("disk.device.read.bytes", "B", [0, 4096, 8192], self.disk, disk),
            *sampled("disk.device.capacity", "B", [2**40, 2**40, 2**40], self.disk, disk),
            *sampled("network.incoming.bytes", "B", [5, 7, 10], self.interface, interface),
            *sampled("volume.size", "GB", [1, 1, 2], self.volume, self.volume_metadata,
                    project_id=self.project),
        ]  # fmt: skip


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def published(publisher: Any, machine: Machine) -> Machine:
    publisher.publish_samples(machine.samples())
    return machine


def wanted_types() -> dict[str, dict[str, Any]]:
    """{resource type: attributes}, after all of ceilometer's own changes, in their order."""
    kinds = {name: dict(found) for name, found in gnocchi_client.resources_initial.items()}
    for change in gnocchi_client.resources_update_operations:
        if change["type"] == "create_resource_type":
            kinds.setdefault(change["resource_type"], dict(change["data"][0]["attributes"]))
            continue
        for one in change["data"]:
            name = one["path"].removeprefix("/attributes/")
            attributes = kinds[change["resource_type"]]
            attributes.pop(name, None)
            if one["op"] == "add":
                attributes[name] = {k: v for k, v in one["value"].items() if k != "options"}
    return kinds


def test_upgrade_makes_the_resource_types_and_may_run_again(upgraded: Path) -> None:
    made = {row["name"]: row for row in api("resource_type")}
    wanted = wanted_types()
    assert {"instance", "instance_disk", "instance_network_interface", "volume"} <= set(wanted)
    assert {name: row["attributes"] for name, row in made.items()} == wanted | {"generic": {}}
    assert {row["state"] for row in made.values()} == {"active"}
    upgrade(upgraded)
    assert {row["name"]: row for row in api("resource_type")} == made


def test_the_first_batch_makes_the_archive_policies(publisher: Any, published: Machine) -> None:
    for wanted in publisher.archive_policies_definition:
        made = api(f"archive_policy/{wanted['name']}")
        assert sorted(made["aggregation_methods"]) == sorted(wanted["aggregation_methods"])
        assert made["back_window"] == wanted["back_window"]
        assert len(made["definition"]) == len(wanted["definition"])
    (low,) = api("archive_policy/ceilometer-low")["definition"]
    assert (low["granularity"], low["timespan"]) == ("0:05:00", "30 days, 0:00:00")


def test_unknown_resources_are_made_with_type_owner_and_attributes(published: Machine) -> None:
    (instance,) = all_of("instance", published.id)
    shown = {
        "id": published.id, "type": "instance", "user_id": "user-1", "project_id": "project-1",
        "host": "host-1", "display_name": "web", "flavor_id": "42", "flavor_name": "m1.tiny",
        "launched_at": "2026-01-02T03:04:05+00:00", "image_ref": None, "server_group": None,
        "ended_at": None, "creator": "admin",
    }  # fmt: skip
    assert shown.items() <= instance.items()

    (disk,) = all_of("instance_disk", published.disk)
    assert (disk["name"], disk["instance_id"]) == ("vda", published.id)
    assert disk["id"] != published.disk
    (interface,) = all_of("instance_network_interface", published.interface)
    assert (interface["name"], interface["instance_id"]) == ("tap1", published.id)
    (volume,) = all_of("volume", published.volume)
    assert (volume["display_name"], volume["volume_type"]) == ("data", "ssd")
    assert volume["image_id"] is None


def test_metrics_have_their_policy_unit_and_the_samples(published: Machine) -> None:
    wanted = {
        ("instance", published.id): {
            "cpu": ("ceilometer-low-rate", "ns", [1e9, 4e9, 6e9]),
            "memory.usage": ("ceilometer-low", "MB", [100, 101.5, 99]),
            "vcpus": ("ceilometer-low", "vcpu", [2, 2, 2]),
        },
        ("instance_disk", published.disk): {
            "disk.device.read.bytes": ("ceilometer-low-rate", "B", [0, 4096, 8192]),
            "disk.device.capacity": ("ceilometer-low", "B", [2**40] * 3),
        },
        ("instance_network_interface", published.interface): {
            "network.incoming.bytes": ("ceilometer-low-rate", "B", [5, 7, 10]),
        },
        ("volume", published.volume): {"volume.size": ("ceilometer-low", "GB", [1, 1, 2])},
    }
    for (kind, name), metrics in wanted.items():
        assert set(api(f"resource/{kind}/{name}")["metrics"]) == set(metrics)
        for metric, (policy, unit, values) in metrics.items():
            shown = api(f"resource/{kind}/{name}/metric/{metric}")
            assert (shown["archive_policy"]["name"], shown["unit"]) == (policy, unit)
            assert measures(kind, name, metric) == list(zip(TIMES, values, strict=True))
    rates = measures("instance", published.id, "cpu", aggregation="rate:mean")
    assert rates == [(TIMES[1], 3e9), (TIMES[2], 2e9)]


def test_a_slash_in_an_id_is_an_underscore(publisher: Any) -> None:
    name = f"pool/{uuid4()}"
    samples = sampled("volume.size", "GB", [3], name, {"display_name": "slashed"})
    publisher.publish_samples(samples)
    (volume,) = all_of("volume", name.replace("/", "_"))
    assert volume["display_name"] == "slashed"
    assert measures("volume", name.replace("/", "_"), "volume.size") == [(TIMES[0], 3)]


@pytest.fixture
def counted() -> str:
    """An archive policy by which every stored measure shows."""
    name = f"counted-{uuid4()}"
    definition = [{"granularity": "1s", "timespan": "1 day"}]
    body = {"name": name, "definition": definition, "aggregation_methods": ["count", "sum"]}
    answer = requests.post(f"{URL}/v1/archive_policy", json=body, auth=("admin", ""), timeout=30)
    answer.raise_for_status()
    return name


def test_a_batch_published_again_leaves_nothing_twice(
    conf: Any, counted: str, machine: Machine
) -> None:
    places = {"instance": machine.id, "instance_disk": machine.disk, "volume": machine.volume}
    for _ in range(3):  # a publisher each: none knows what the others sent
        url = f"{PUBLISHER}&archive_policy={counted}"
        get_publisher(conf, url, "ceilometer.sample.publisher").publish_samples(machine.samples())
    for kind, name in places.items():
        (row,) = all_of(kind, name)
        assert len(history(kind, name)) == 1
        for metric in row["metrics"]:
            counts = measures(kind, name, metric, aggregation="count")
            assert counts == [(when, 1) for when in TIMES]
    sums = measures("instance", machine.id, "memory.usage", aggregation="sum")
    assert [value for _, value in sums] == [100, 101.5, 99]


def test_changed_attributes_are_a_revision(publisher: Any, published: Machine) -> None:
    before = api(f"resource/instance/{published.id}")
    publisher.publish_samples(published.samples())
    assert len(history("instance", published.id)) == 1

    published.instance_metadata |= {"display_name": "renamed", "host": "host-2"}
    published.project = "project-2"
    publisher.publish_samples(published.samples())
    first, second = history("instance", published.id)
    assert (first["display_name"], first["host"]) == ("web", "host-1")
    assert (second["display_name"], second["host"]) == ("renamed", "host-2")
    assert first["revision_end"] == second["revision_start"]
    after = api(f"resource/instance/{published.id}")
    assert (after["flavor_id"], after["metrics"]) == (before["flavor_id"], before["metrics"])

    assert [row["project_id"] for row in history("volume", published.volume)] == [
        "project-1", "project-2",
    ]  # fmt: skip
    assert api(f"resource/volume/{published.volume}")["user_id"] == "user-1"
    assert len(history("instance_disk", published.disk)) == 1


def test_a_refused_resource_keeps_no_other_out(
    publisher: Any, machine: Machine, complaints: Callable[[], list[str]]
) -> None:
    nameless = str(uuid4())
    samples = sampled("vcpus", "vcpu", [1], nameless, {"host": "host-1"})
    publisher.publish_samples([*machine.samples(), *samples])
    (complaint,) = complaints()
    assert complaint.startswith(f"Error creating resource {nameless}: ")
    assert "required key not provided" in complaint
    assert measures("volume", machine.volume, "volume.size")[-1] == (TIMES[2], 2)
    assert nameless not in [row["original_resource_id"] for row in api("resource/generic")]


def event(kind: str, **traits: str) -> Event:
    texts = [Trait(name, Trait.TEXT_TYPE, value) for name, value in traits.items()]
    return Event(str(uuid4()), kind, datetime.now(UTC), texts, {})


def created(instance: str, **traits: str) -> Event:
    every = {
        "instance_id": instance, "display_name": "from event", "host": "host-1",
        "availability_zone": "zone-1", "instance_flavor_id": "42", "instance_type": "m1.tiny",
        "user_id": "user-1", "project_id": "project-1",
    }  # fmt: skip
    return event("compute.instance.create.end", **every | traits)


def test_an_event_makes_a_resource_once(publisher: Any, machine: Machine) -> None:
    publisher.publish_events([created(machine.id), created(machine.id, display_name="other")])
    (instance,) = all_of("instance", machine.id)
    assert (instance["display_name"], instance["availability_zone"]) == ("from event", "zone-1")
    assert (instance["user_id"], instance["project_id"]) == ("user-1", "project-1")
    assert (instance["metrics"], instance["ended_at"]) == ({}, None)

    publisher.publish_samples(machine.samples())
    (instance,) = all_of("instance", machine.id)
    assert (instance["display_name"], instance["availability_zone"]) == ("web", "zone-1")
    assert set(instance["metrics"]) == {"cpu", "memory.usage", "vcpus"}


def test_an_event_changes_a_resource(publisher: Any, published: Machine) -> None:
    moved = {"resource_id": published.volume, "project_id": "project-2"}
    publisher.publish_events([event("volume.transfer.accept.end", **moved)])
    (volume,) = all_of("volume", published.volume)
    assert (volume["project_id"], volume["display_name"]) == ("project-2", "data")
    assert len(history("volume", published.volume)) == 2


def test_an_event_ends_a_resource_and_those_of_it(publisher: Any, published: Machine) -> None:
    other = Machine()
    publisher.publish_samples(other.samples())
    before = datetime.now(UTC)
    publisher.publish_events([event("compute.instance.delete.start", instance_id=published.id)])
    ended = {
        kind: api(f"resource/{kind}/{name}")["ended_at"]
        for kind, name in [
            ("instance", published.id),
            ("instance_disk", published.disk),
            ("instance_network_interface", published.interface),
        ]
    }
    (moment,) = {datetime.fromisoformat(text) for text in ended.values()}
    assert before <= moment <= datetime.now(UTC)
    assert api(f"resource/volume/{published.volume}")["ended_at"] is None
    assert api(f"resource/instance/{other.id}")["ended_at"] is None
    assert api(f"resource/instance_disk/{other.disk}")["ended_at"] is None

    publisher.publish_events([event("volume.delete.end", resource_id=published.volume)])
    assert api(f"resource/volume/{published.volume}")["ended_at"] is not None


def test_events_of_unknown_resources_are_no_errors(
    publisher: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The client knows them by the words of the 404."""
    caplog.set_level(logging.DEBUG, "ceilometer.publisher.gnocchi")
    gone = {"resource_id": str(uuid4()), "project_id": "project-2"}
    publisher.publish_events(
        [event("volume.transfer.accept.end", **gone), event("volume.delete.end", **gone)]
    )
    texts = [one.getMessage() for one in caplog.records]
    assert sum("unexisting resource" in text for text in texts) == 2
