"""F11: no broker, at the start of everything and later under load. Agents poll by themselves and
spool; once the broker is back all of it is stored (A2, A8, G2), in the order in which it was made
and without a storm (A4, A7); and while it is away the pages say so."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest

from meters import wire
from pollers.inflight import MAX_INFLIGHT
from tests.faults.cluster import HOST, RECOVERED_WITHIN_S, Cluster
from tests.faults.load import PRODUCERS, settle
from tests.faults.slots import INTERVAL_S, SELECT_SLOTS, check_slots
from tests.support.ports import free_port
from tests.support.web import Visitor

ROLES = ("beat", "collector", "compute")
COMPUTE = f"compute.{HOST}"
RATE = 5.0
#: An outage costs a process at most so many lines of its log (A8).
LINES = 5
#: But for those that tell of a page that the test has asked for.
REQUEST = "request_finished"
#: Several processes write the log of these.
POOL = {"collector.1": 3, "web.1": 2}
#: Of the outage in which agents still wait for a tick: 1.5 intervals, and the slot that it ends in.
PATIENCE_S = 3 * INTERVAL_S
#: After a broker's return (S-7): A8's longest pause between two probes, and the workers' own.
BACK_WITHIN_S = 60.0
#: Shorter than the outages, and longer than a batch waits for its receipt while all is well; with
#: its jitter no batch is published again sooner than after `SHORTEST_TIMEOUT_S`.
RECEIPT_TIMEOUT_S = 30
SHORTEST_TIMEOUT_S = 0.8 * RECEIPT_TIMEOUT_S
OVERVIEW, SOURCES = "/", "/sources"
PASSWORD = "correct horse battery"
MAKE_OPERATOR = (
    "from django.contrib.auth import get_user_model as m; "
    f"m().objects.create_superuser('operator', password='{PASSWORD}')"
)

# --- at the start --------------------------------------------------------------------------------


def start_without_broker(cluster: Cluster) -> None:
    cluster.agent_broker.refuse()
    cluster.worker_broker.refuse()
    for role in ROLES:
        cluster.start_role(role, wait=False)
    for agent_id in PRODUCERS:
        cluster.start_producer(agent_id, rate=RATE)


def polled_alone(cluster: Cluster) -> float:
    return cluster.counted("telemetry_poll_fallback_total")


def ticked(cluster: Cluster) -> float:
    """Polls at a tick of the beat."""
    return cluster.counted("telemetry_polls_total", source="host") - polled_alone(cluster)


def work_again(cluster: Cluster) -> None:
    cluster.heal()
    before = ticked(cluster)
    for role in ROLES:
        cluster.wait_ready(f"{role}.1")
    cluster.wait_receipted(20, BACK_WITHIN_S)
    cluster.wait(
        lambda: ticked(cluster) >= before + 3, BACK_WITHIN_S, lambda: "the beat does not tick"
    )


def no_broker_at_the_start(cluster: Cluster, slots: int) -> None:
    start_without_broker(cluster)
    cluster.wait(
        lambda: polled_alone(cluster) >= slots,
        slots * INTERVAL_S + 30.0,
        lambda: "nobody polls without a broker",
    )
    work_again(cluster)
    settle(cluster, PRODUCERS)
    check_slots(cluster)


def test_no_broker_at_the_start(cluster: Cluster) -> None:
    no_broker_at_the_start(cluster, slots=3)


@pytest.mark.soak
def test_no_broker_in_the_first_minute(cluster: Cluster) -> None:
    no_broker_at_the_start(cluster, slots=60)


# --- later, under load ---------------------------------------------------------------------------


def a_broker_goes_and_comes_back(cluster: Cluster, seconds: float) -> None:
    site = start_house(cluster)
    began = time.monotonic()
    with cluster.broker_away():
        stay_away(cluster, site, seconds)
        cluster.worker_broker.refuse()
        before = sends(cluster)
    agents_return_alone(cluster, before)
    work_again(cluster)
    worked_off(cluster, BACK_WITHIN_S + 4 * seconds)
    settle(cluster, PRODUCERS)
    check_slots(cluster)
    cluster.wait(
        lambda: cluster.metric("compute.1", "telemetry_spool_files") <= 1,
        RECOVERED_WITHIN_S,
        lambda: "the compute agent tells of a spool that is not empty",
    )
    check_sends(cluster, time.monotonic() - began)
    all_is_well(cluster, site)
    site.close()


def worked_off(cluster: Cluster, within_s: float) -> None:
    """Until what waits in spools is no more than what comes and goes."""
    waited, began = cluster.spooled(), time.monotonic()
    cluster.wait(
        lambda: cluster.spooled() <= MAX_INFLIGHT,
        within_s,
        lambda: f"of {waited} batches {cluster.spooled()} still wait in spools",
    )
    print(f"{waited} batches worked off in {time.monotonic() - began:.1f} s")


def start_house(cluster: Cluster) -> Visitor:
    """All that polls, and the pages; returns who looks at them. Work is under way."""
    port = free_port()
    settings = {
        "TELEMETRY_RECEIPT_TIMEOUT": str(RECEIPT_TIMEOUT_S),
        "TELEMETRY_PUBLISHER_BACKLOG": "1000000",  # of the queue that is watched
    }
    pages = {"PORT": str(port), "SITE_URL": f"http://127.0.0.1:{port}", "WEB_WORKERS": "1"}
    cluster.broker.watch()
    cluster.command("shell", "-c", MAKE_OPERATOR)
    for role in (*ROLES, "web"):
        cluster.start_role(role, wait=False, **settings, **(pages if role == "web" else {}))
    for agent_id in PRODUCERS:
        cluster.start_producer(agent_id, RATE, wait=False, **settings)
    for role in (*ROLES, "web"):
        cluster.wait_ready(f"{role}.1")
    cluster.wait_receipted(20)
    site = Visitor(pages["SITE_URL"], PASSWORD, "operator")
    cluster.wait(
        lambda: cluster.query(SELECT_SLOTS),
        RECOVERED_WITHIN_S,
        lambda: "the host has not reported: nobody would miss it",
    )
    all_is_well(cluster, site)
    return site


def all_is_well(cluster: Cluster, site: Visitor) -> None:
    cluster.wait(
        lambda: (
            f"host {HOST} is silent" not in site.words(OVERVIEW)
            and "no report for" not in site.words(SOURCES)
        ),
        RECOVERED_WITHIN_S,
        lambda: "the pages tell of trouble where there is none",
    )


def stay_away(cluster: Cluster, site: Visitor, seconds: float) -> None:
    """Look what the processes do and say meanwhile."""
    lines = {key: len(cluster.processes.log_lines(key)) for key in cluster.processes.running}
    alone, spooled, began = polled_alone(cluster), cluster.spooled(), time.monotonic()
    told = list(unheard(cluster, site))
    while told and time.monotonic() < began + seconds:
        time.sleep(0.5)
        told = list(unheard(cluster, site))
    assert not told, f"nobody says: {told}"
    time.sleep(max(began + seconds - time.monotonic(), 0))
    slots = (time.monotonic() - began) / INTERVAL_S
    assert slots - PATIENCE_S <= polled_alone(cluster) - alone <= slots + 1
    made = RATE * seconds * len(PRODUCERS)
    assert cluster.spooled() - spooled > made / 2, "the producers stood still"
    for key, before in lines.items():
        said = [line for line in cluster.processes.log_lines(key)[before:] if REQUEST not in line]
        assert len(said) <= LINES * POOL.get(key, 1), f"{key} says:\n" + "\n".join(said)


def unheard(cluster: Cluster, site: Visitor) -> Iterator[str]:
    """What pages and metrics should say of the outage and do not."""
    first, sources = site.words(OVERVIEW), site.words(SOURCES)
    for words, text in (
        ("The broker does not answer", first),
        ("agents keep their samples until it is back", first),
        (f"host {HOST} is silent", first),
        ("no report for", sources),
        (f"expected every {INTERVAL_S} s", sources),
    ):
        if words not in text:
            yield words
    if cluster.metric("compute.1", "telemetry_spool_files") < 5:
        yield "telemetry_spool_files"
    if cluster.metric("compute.1", "telemetry_spool_oldest_seconds") < 5:
        yield "telemetry_spool_oldest_seconds"


def agents_return_alone(cluster: Cluster, before: Sends) -> None:
    """The collector is still away: an agent sends what it had in flight once more and then the
    oldest that it has not sent yet, `MAX_INFLIGHT` in all, and waits for receipts (A7).

    `before` is what had been sent when the broker came up.
    """
    cluster.wait(
        lambda: sum(sends(cluster)) - sum(before) >= MAX_INFLIGHT * len(PRODUCERS),
        BACK_WITHIN_S,
        lambda: f"{before} batches sent, {sends(cluster)} to a broker that is back",
    )
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert sends(cluster).first - before.first <= MAX_INFLIGHT * (len(PRODUCERS) + 1)
        time.sleep(0.2)


class Sends(NamedTuple):
    """What agents have sent: for the first time, and again."""

    first: float
    again: float


def sends(cluster: Cluster) -> Sends:
    kinds = "published", "republished"
    return Sends(*(cluster.counted(f"telemetry_batches_{kind}_total") for kind in kinds))


def check_sends(cluster: Cluster, seconds: float) -> None:
    """By the broker's own copies of all that was sent, in its order, `seconds` from the outage's
    begin on."""
    sent = sent_by_agent(cluster.broker.watched())
    assert sent.keys() == {COMPUTE, *PRODUCERS}
    for agent_id, batches in sent.items():
        first = list(dict.fromkeys(batches))
        again = len(batches) - len(first)
        print(f"{agent_id}: {len(first)} batches in {len(batches)} sends")
        made = [at for at, _ in first]
        assert made == sorted(made), f"{agent_id}: not in the order in which they were made"
        # A place among those in flight may send its batch again once in each time-out.
        timeouts = int(seconds / SHORTEST_TIMEOUT_S)
        assert again <= MAX_INFLIGHT * timeouts, f"{agent_id}: {again} sent again"


def sent_by_agent(payloads: Iterable[bytes]) -> dict[str, list[tuple[int, str]]]:
    """{agent: (when it was made, id) of each batch, as often as it was sent}."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for payload in payloads:
        batch = wire.decode_batch(payload)
        found[batch.agent_id].append((batch.created_at, batch.batch_id))
    return found


@pytest.mark.timeout(600)
def test_a_broker_that_goes_and_comes_back(cluster: Cluster) -> None:
    a_broker_goes_and_comes_back(cluster, seconds=40)


@pytest.mark.soak
@pytest.mark.timeout(2700)
def test_a_broker_that_is_away_for_five_minutes(cluster: Cluster) -> None:
    a_broker_goes_and_comes_back(cluster, seconds=300)
