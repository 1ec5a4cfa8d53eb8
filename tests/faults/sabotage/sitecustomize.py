"""Safeties of the product, switched off by name, so that a fault test can be seen to fail.

TELEMETRY_FAULT_SABOTAGE names the switch; the cluster then puts this directory on its processes'
PYTHONPATH, and Python imports `sitecustomize` at its start. A switch is a function that gets the
module it concerns as soon as that is loaded. Nothing of this is in the product.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, SimpleNamespace
from typing import Any

Switch = Callable[[Any], None]
SWITCHES: dict[str, tuple[str, Switch]] = {}


def switch(module: str) -> Callable[[Switch], Switch]:
    def note(function: Switch) -> Switch:
        SWITCHES[function.__name__] = (module, function)
        return function

    return note


@switch("pollers.publishers.feed")
def acknowledge_before_delivering(feed: Any) -> None:
    """Publishers: a batch leaves its queue when it is taken, not when the target has it."""
    handle = feed.Feed._handle

    def hasty(self: Any, waiting: Any) -> Any:
        self._backlog.done(waiting)
        return handle(self, waiting)

    feed.Feed._handle = hasty


@switch("pollers.agent")
def forget_what_the_broker_has(agent: Any) -> None:
    """A4: the spool file goes when the broker has confirmed, not when the database has it."""
    publish = agent.Agent._publish

    def forgetful(self: Any, entry: Any) -> None:
        publish(self, entry)
        if not self.broker_away:
            self.spool.delete(entry.batch_id)
            self._flights.forget(entry.batch_id)

    agent.Agent._publish = forgetful


@switch("pollers.agent")
def promise_before_the_disk(agent: Any) -> None:
    """A1: `submit` returns before the batch is in the spool."""
    submit = agent.Agent.submit

    def late(self: Any, batches: Any) -> None:
        threading.Timer(0.2, submit, (self, list(batches))).start()

    agent.Agent.submit = late


@switch("meters.collector")
def receipt_before_commit(collector: Any) -> None:
    """A4: the agent is told before the transaction has ended."""
    store = collector._store

    def hasty(batches: Any) -> Any:
        for batch in batches:
            receipt = collector.wire.Receipt(batch.batch_id, "stored")
            collector.publish_receipts([(batch.agent_id, receipt)])
        return store(batches)

    collector._store = hasty


@switch("pollers.notification.consumer")
def tell_the_bus_at_once(consumer: Any) -> None:
    """A1: the bus gets its acknowledgement when a message is taken."""
    take = consumer.BusConsumer._take

    def hasty(self: Any, message: Any) -> None:
        message.ack()
        message.ack = lambda **_: None
        take(self, message)

    consumer.BusConsumer._take = hasty


@switch("pollers.schedule")
def wait_for_the_beat(schedule: Any) -> None:
    """A2: no fallback timer."""
    schedule.Schedule.take_due = lambda self, now: None


@switch("pollers.agent")
def send_all_that_waits(agent: Any) -> None:
    """A7: nothing bounds how many batches are without a receipt."""
    agent.MAX_INFLIGHT = agent.InFlight.next_batch.__globals__["MAX_INFLIGHT"] = 10**6


@switch("pollers.agent")
def newest_first(agent: Any) -> None:
    """A5: what was made last is sent first."""
    agent.Spool.oldest = lambda self, count: list(self._entries)[: -count - 1 : -1]


@switch("pollers.compute.hypervisor")
def keep_the_dead_connection(hypervisor: Any) -> None:
    """Row 53: a connection that libvirtd has closed is used on."""
    hypervisor.Hypervisor._drop = lambda self: None


@switch("meters.store.events")
def events_without_identity(events: Any) -> None:
    """C1: each arrival of an event is another event."""
    row = events._row
    events._row = lambda event: (f"{event.message_id}-{time.time_ns()}", *row(event)[1:])


@switch("meters.store.chunks")
def read_every_copy(chunks: Any) -> None:
    """C1: a (series, timestamp) that was stored twice is read twice."""

    def arrange(index: Any, timestamps: Any, values: Any) -> Any:
        order = chunks._order(index, timestamps)
        return chunks.Points(index[order], timestamps[order], values[order])

    chunks.arrange = arrange


@switch("telemetry_site.settings.base")
def acknowledge_early(base: Any) -> None:
    """C3: Celery acknowledges a message before its task runs."""
    base.CELERY_TASK_ACKS_LATE = False


@switch("telemetry_site.settings.server")
def leave_it_to_celery(server: Any) -> None:
    """C7: Celery's own consumer meets malformed messages."""
    if hasattr(server, "CELERY_WORKER_CONSUMER"):
        del server.CELERY_WORKER_CONSUMER


@switch("telemetry_site.settings.server")
def commit_without_waiting(server: Any) -> None:
    """C1: a commit does not wait for the disk; the refusal to run so is off as well."""
    server.DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"
    server.TELEMETRY_ALLOW_UNSAFE = True


@switch("pollers.spool")
def write_in_place(spool: Any) -> None:
    """A5: the spool's file is written under its final name."""

    def write(self: Any, name: str, data: bytes) -> Any:
        final = self.directory / name
        with final.open("wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            spool.failpoint("agent.after_tmp_write")
            file.write(data[len(data) // 2 :])
        spool.failpoint("agent.after_fsync")
        spool.failpoint("agent.after_rename")
        return final

    spool.Spool._write_once = write


@switch("pollers.spool")
def write_without_fsync(spool: Any) -> None:
    """A1: the file is renamed, but nobody has waited for the disk."""

    def write(self: Any, name: str, data: bytes) -> Any:
        temporary, final = self.directory / "tmp" / name, self.directory / name
        descriptor = spool.os.open(temporary, spool.os.O_WRONLY | spool.os.O_CREAT, 0o600)
        spool.os.write(descriptor, data)
        spool.failpoint("agent.after_tmp_write")
        spool.os.close(descriptor)
        spool.failpoint("agent.after_fsync")
        spool.os.rename(temporary, final)
        spool.failpoint("agent.after_rename")
        return final

    spool.Spool._write_once = write


@switch("alarms.notifier.delivery")
def send_without_lease(delivery: Any) -> None:
    """N1: what another notifier has claimed is claimed all the same."""
    leased = "AND (waiting.lease_until IS NULL OR waiting.lease_until < now())"
    assert leased in delivery._CLAIM
    delivery._CLAIM = delivery._CLAIM.replace(leased, "")


@switch("alarms.notifier.delivery")
def mark_before_sending(delivery: Any) -> None:
    """N1: a message counts as delivered when it is claimed."""
    claim = delivery._claim

    def hasty() -> Any:
        message = claim()
        if message:
            delivery._record(message, delivery.Outcome(), 0.0)
        return message

    delivery._claim = hasty


@switch("telemetry_site.database")
def leave_the_drivers_errors(database: Any) -> None:
    """C1: an outage within a COPY is no outage for who waits one out."""
    database.copying = lambda cursor, statement, parameters=None: cursor.copy(statement, parameters)


@switch("meters.store.compaction")
def pack_piece_by_piece(compaction: Any) -> None:
    """Each statement of the packing commits by itself."""
    compaction.transaction = SimpleNamespace(atomic=nullcontext)


@switch("pollers.claims")
def poll_without_claims(claims: Any) -> None:
    """A11: an agent polls what another has claimed."""
    claims.claim = lambda *_: True


@switch("alarms.evaluator.transitions")
def write_piece_by_piece(transitions: Any) -> None:
    """E2: state, history and outbox without a transaction around them."""
    transitions.transaction = SimpleNamespace(atomic=nullcontext)


class _Loader(Loader):
    """Loads a module as ever, then lets the switch at it."""

    def __init__(self, loader: Any, then: Switch) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._then(module)


class _Finder(MetaPathFinder):
    def __init__(self, name: str, then: Switch) -> None:
        self._name = name
        self._then = then

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            spec.loader = _Loader(spec.loader, self._then)
        return spec


if chosen := os.environ.get("TELEMETRY_FAULT_SABOTAGE"):
    sys.meta_path.insert(0, _Finder(*SWITCHES[chosen]))
