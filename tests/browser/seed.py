"""A small installation with something of everything, written through the store as agents do.

Its curves hang from the moment of seeding, so that a test sees the same ones at any hour.
"""

from __future__ import annotations

import math

import numpy as np
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from meters import wire
from meters.models import Metric, StoreSurvey
from meters.store.surveys import keep_surveyed
from meters.store.write import store_batch
from pollers.batch import BatchBuilder
from telemetry_site.auth.models import Membership
from telemetry_site.clock import now_us

SECOND = 1_000_000
HOUR = 3600 * SECOND
PROJECT = "6f7c0a1e52d84a1fb6d2c1f20a6e93b4"
RHYTHM = 1.7 / 3600
#: How long the instances had run when they began anew, an hour before the end.
RUN_S = 43_200
FLAVORS = ("m1.small", "m1.medium", "c2.large")
HOST = wire.Resource(
    "demo-host", type="host", source="hardware",
    metadata={"name": "demo-host", "kernel": "6.1.0-28-amd64", "cpus": 2},
)  # fmt: skip
NIC = wire.Resource(
    "demo-host.eth0", type="host_network_interface", source="hardware",
    metadata={"host_name": "demo-host", "device_name": "eth0", "mac": "52:54:00:12:34:56"},
)  # fmt: skip


def instance(number: int, project: str = PROJECT) -> wire.Resource:
    return wire.Resource(
        f"3c9e1d{number:02d}-7a54-4a1b-9f0e-5d0c6b7e{number:04d}",
        project_id=project,
        user_id="b1946ac92492d2347c6235b4d2611184",
        type="instance",
        metadata={
            "display_name": f"web-{number}",
            "flavor": {"name": FLAVORS[number % 3], "vcpus": 2, "ram": 4096},
            "host": "compute-1",
            "image_ref": "debian-12",
            "status": "active",
        },
    )


def users() -> tuple[User, User, User]:
    """(operator, member of PROJECT, stranger)."""
    model = get_user_model()
    operator = model.objects.create_superuser("operator", password="correct horse battery")
    member = model.objects.create_user("member", password="correct horse battery")
    Membership.objects.create(user=member, project_id=PROJECT)
    stranger = model.objects.create_user("stranger", password="correct horse battery")
    Membership.objects.create(user=stranger, project_id="somebody-elses")
    return operator, member, stranger


def send(builder: BatchBuilder) -> None:
    for batch in builder.batches():
        store_batch(batch)


def poll_host(builder: BatchBuilder, moment_us: int, end_us: int) -> None:
    """One poll of this machine."""
    hours = (moment_us - end_us) / HOUR
    busy = 34 + 22 * math.sin(hours * 2.1) + 9 * math.sin(hours * 37)
    for meter, value, unit in (
        ("hardware.cpu.util", max(busy, 0.5), "%"),
        ("hardware.cpu.load.1min", max(busy, 1) / 40, "process"),
        ("hardware.memory.used", 2.9e6 + 4e5 * math.sin(hours), "KB"),
        ("hardware.memory.total", 8_148_532.0, "KB"),
    ):
        builder.add(HOST, meter, value, moment_us, unit)
    seconds = 900_000 + (moment_us - end_us) / SECOND
    for direction, share in (("incoming", 48_211), ("outgoing", 9_402)):
        grown = share * (seconds + 3000 / 5 * (1 - math.cos(5 * seconds / 3000)))
        meter = f"hardware.network.{direction}.bytes"
        builder.add(NIC, meter, grown, moment_us, "B", "cumulative")


def poll_instance(builder: BatchBuilder, one: wire.Resource, moments: range) -> None:
    """Counter `cpu` with a reset, gauge with a gap, bytes."""
    number = int(one.id[-4:])
    for moment in moments:
        since = 2 * RUN_S + 3600 + (moment - moments.stop) / SECOND
        hours = since / 3600
        cycle = since % RUN_S  # seconds since the instance was started again
        busy = 0.25 * cycle + 0.2 / RHYTHM * (math.cos(number) - math.cos(cycle * RHYTHM + number))
        builder.add(one, "cpu", busy * 1e9, moment, "ns", "cumulative")
        if int(since // 600) % 9 != 4:
            builder.add(one, "memory.usage", 900 + 300 * math.sin(hours + number), moment, "MB")
        builder.add(
            one, "network.incoming.bytes", since % 1e6 * 3000 * number, moment, "B", "cumulative"
        )


def report(
    builder: BatchBuilder, kind: str, source: str, age_s: float = 2, **fields: object
) -> None:
    slot = now_us() - int(age_s * SECOND)
    known = {"duration_s": 0.012, "samples": 41, "interval_s": 10.0}
    builder.report(
        wire.PollReport(kind=kind, source=source, slot=slot, started=slot, **{**known, **fields})  # type: ignore[arg-type]
    )


def seed(instances: int = 6, hours: float = 3) -> None:
    """Everything but users."""
    now = now_us() // SECOND * SECOND
    host = BatchBuilder("host-demo-host")
    for moment in range(now - HOUR, now, 10 * SECOND):
        poll_host(host, moment, now)
    send(host)
    for number in range(1, instances + 1):
        builder = BatchBuilder("compute-compute-1")
        poll_instance(builder, instance(number), range(now - int(hours * HOUR), now, 60 * SECOND))
        send(builder)
    _reports()
    _events(now)
    _quarantine()
    count_what_is_stored()


def count_what_is_stored() -> None:
    StoreSurvey.objects.all().delete()
    keep_surveyed()


def _reports() -> None:
    rng = np.random.default_rng(4)
    for kind, agent, source in (
        ("host", "host-demo-host", "demo-host"),
        ("compute", "compute-compute-1", "qemu:///system on compute-1"),
        ("prometheus", "central-1", "http://127.0.0.1:9464/metrics"),
    ):
        builder = BatchBuilder(agent)
        for age in range(600, 0, -10):
            report(builder, kind, source, age, duration_s=float(0.01 + rng.exponential(0.004)))
        send(builder)
    failing = BatchBuilder("compute-compute-2")
    report(
        failing, "compute", "qemu:///system on compute-2", outcome="error", samples=0,
        errors=["libvirt: Failed to connect socket to '/var/run/libvirt/libvirt-sock-ro': "
                "No such file or directory"],
    )  # fmt: skip
    send(failing)
    bus = BatchBuilder("notification-1")
    report(
        bus, "notification", "amqp://rabbit-1:5672/ notifications.info", interval_s=0.0, samples=12
    )
    send(bus)


def _events(now: int) -> None:
    builder = BatchBuilder("notification-1")
    kinds = ("compute.instance.create.end", "compute.instance.resize.end", "volume.create.end")
    for number in range(90):
        one = instance(number % 6 + 1)
        moment = now - number * 400 * SECOND
        traits = [
            wire.Trait("instance_id", "text", one.id),
            wire.Trait("display_name", "text", f"web-{number % 6 + 1}"),
            wire.Trait("project_id", "text", PROJECT),
            wire.Trait("vcpus", "int", 2),
            wire.Trait("disk_gb", "float", 20.5),
            wire.Trait("launched_at", "datetime", moment),
        ]
        raw = {"publisher_id": "compute.compute-1", "payload": {"instance_id": one.id}}
        builder.event(wire.Event(f"message-{number}", kinds[number % 3], moment, traits, raw))
    send(builder)


def _quarantine() -> None:
    builder = BatchBuilder("notification-1")
    builder.reject(
        "schema", "payload.memory_mb: 'lots' is not a number",
        b'{"event_type": "compute.instance.exists", "payload": {"memory_mb": "lots"}}',
        source="amqp://rabbit-1:5672/", path="payload.memory_mb",
    )  # fmt: skip
    send(builder)


def metric(meter: str, resource: wire.Resource = HOST) -> Metric:
    return Metric.objects.get(name=meter, resource__original_id=resource.id)
