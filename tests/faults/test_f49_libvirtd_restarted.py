"""F49: libvirtd is restarted five times, killed and ended in turn, while guests come and go between
and during the polls (rows 53, 55). The first poll after it is back is whole, what stands in the log
is a line a change at the most, and the guests that stay miss no sample of any poll that libvirtd
answered."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast
from uuid import uuid4

import pytest

from telemetry_site.clock import now_us
from tests.faults.cluster import Cluster
from tests.faults.load import check_processes
from tests.faults.marks import on_valkey
from tests.faults.slots import INTERVAL_S, check_slots
from tests.libvirt_host import LibvirtHost, libvirt_host, telemetry_metadata, why_not

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "libvirt is there"),
]

RESTARTS = 5
#: Polls between two restarts, with guests that come and go.
POLLS = 4
WITHIN_S = 60.0
#: Lines of the log that tell of a change, but not of libvirtd's: the beat is late, a guest that is
#: about to start does not answer yet.
OTHER_CHANGES = ("[pollers.schedule]", "visitor-")
BUSY = "busy with another job"
#: With an owner of its own, since a domain without one is a line in the log.
OWNED = telemetry_metadata('project="p1" user="u1"')
RESIDENTS = {f"resident-{number}": str(uuid4()) for number in range(3)}
SELECT_POLLS = """
SELECT (extract(epoch FROM started) * 1000000)::bigint, report.outcome,
       (extract(epoch FROM started) * 1000000 + report.duration_s * 1000000)::bigint, report.errors
FROM meters_pollreport AS report JOIN meters_source AS source ON source.id = report.source_id
WHERE source.kind = 'compute' ORDER BY started
"""


class Poll(NamedTuple):
    """Of the hypervisor; times in microseconds."""

    started: int
    outcome: str
    ended: int
    errors: list[str]


def polls(cluster: Cluster) -> list[Poll]:
    return [
        Poll(*cast(tuple[int, str, int, list[str]], row)) for row in cluster.query(SELECT_POLLS)
    ]


@pytest.fixture
def host() -> Iterator[LibvirtHost]:
    with libvirt_host() as made:
        for name, uuid in RESIDENTS.items():
            made.define(name, uuid, OWNED)
            made.virsh("start", name)
        yield made


class Visitors:
    """Guests that are made, started and taken away, one after the other, while `may_come`."""

    def __init__(self, host: LibvirtHost) -> None:
        self.made = 0
        self.may_come = threading.Lock()
        self._host = host
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def coming_and_going(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join(WITHIN_S)

    def _run(self) -> None:
        while not self._stopping.wait(0.01):  # time for who waits for the lock
            with self.may_come:
                name = f"visitor-{self.made}"
                self._host.define(name, str(uuid4()), OWNED)
                self._host.virsh("start", name)
                self._host.remove(name)
                self.made += 1


@on_valkey
def test_libvirtd_restarts_while_guests_come_and_go(cluster: Cluster, host: LibvirtHost) -> None:
    cluster.start_role("collector", wait=False)
    cluster.start_role("beat", wait=False)
    cluster.start_role("compute", LIBVIRT_URI=host.uri, TELEMETRY_LIBVIRT_DEADLINE="30")
    wait_for_polls(cluster, POLLS)
    lines = len(cluster.processes.log_lines("compute.1"))
    away: list[tuple[int, int]] = []
    visitors = Visitors(host)
    with visitors.coming_and_going():
        for number in range(RESTARTS):
            wait_for_polls(cluster, POLLS)
            with visitors.may_come:
                away.append(restart(cluster, host, gently=bool(number % 2)))
        wait_for_polls(cluster, POLLS)
    cluster.wait_quiet()

    print(f"{visitors.made} guests came and went; {len(polls(cluster))} polls")
    assert visitors.made >= RESTARTS, "nothing came and went"
    check_polls(cluster, away)
    check_residents(cluster, away)
    said = [
        line
        for line in cluster.processes.log_lines("compute.1")[lines:]
        if not any(other in line for other in OTHER_CHANGES)
    ]
    assert len(said) <= 2 * RESTARTS, "\n".join(said)
    check_slots(cluster)
    check_processes(cluster)


def wait_for_polls(cluster: Cluster, count: int) -> None:
    """Until the hypervisor was polled so many times more."""
    wanted = len(polls(cluster)) + count
    cluster.wait(
        lambda: len(polls(cluster)) >= wanted,
        WITHIN_S,
        lambda: f"{polls(cluster)[-3:]}: no further poll",
    )


def restart(cluster: Cluster, host: LibvirtHost, gently: bool) -> tuple[int, int]:
    """From when to when libvirtd was away; until then a poll has met with its absence, and one has
    begun after its return."""
    began = now_us()
    host.end() if gently else host.kill()
    try:
        cluster.wait(
            lambda: any(one.outcome == "error" and one.ended > began for one in polls(cluster)),
            WITHIN_S,
            lambda: "no poll notices that libvirtd is away",
        )
    finally:
        host.start()
    for name in RESIDENTS:  # it finds its guests again one by one, and waits for what it does there
        host.stats(name)
    back = now_us()
    cluster.wait(
        lambda: any(one.started > back for one in polls(cluster)),
        WITHIN_S,
        lambda: "nobody polls any more",
    )
    return began, back


def check_polls(cluster: Cluster, away: list[tuple[int, int]]) -> None:
    """Each is whole but those meanwhile: so is the first one that begins after a return."""
    for one in polls(cluster):
        assert (one.outcome == "ok") == (not one.errors), one
        fits = is_of_absence if was_away(one, away) else is_of_visitor
        assert all(map(fits, one.errors)), one


def is_of_absence(error: str) -> bool:
    """Also one that began in the middle of the poll; or of a guest that libvirtd has found again
    and is busy with."""
    beginnings = "libvirt at qemu:///system?socket=", "XML of "
    return error.startswith(beginnings) or BUSY in error


def is_of_visitor(error: str) -> bool:
    """One that is about to come or to go may be busy, or silent."""
    return error.startswith("visitor-")


def was_away(poll: Poll, away: list[tuple[int, int]]) -> bool:
    return any(poll.started < back and poll.ended > began for began, back in away)


def check_residents(cluster: Cluster, away: list[tuple[int, int]]) -> None:
    """Each poll that libvirtd answered has every sample of those that stay."""
    taken: dict[int, set[tuple[str, str]]] = defaultdict(set)
    answered = [one for one in polls(cluster) if not was_away(one, away)]
    for key, _, _ in cluster.stored().samples:
        if key.resource.removesuffix("-vda") in RESIDENTS.values():
            taken[key.timestamp].add((key.resource, key.meter))
    expected = max(taken.values(), key=len)
    assert {resource for resource, _ in expected} >= set(RESIDENTS.values())
    assert {"cpu", "memory", "power.state", "disk.device.write.bytes"} <= {
        meter for _, meter in expected
    }
    for one in answered:
        read = [keys for at, keys in taken.items() if one.started - 1000 <= at <= one.ended]
        found = set().union(*read)
        assert found == expected, sorted(expected - found)
    print(f"{len(answered)} whole polls of {len(expected)} samples; {INTERVAL_S} s apart")
