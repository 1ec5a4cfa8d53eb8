"""The book that a producer keeps outside the system: what it tried, and what was promised to it.

One JSON line an entry, appended and fsynced before the producer goes on, so the book survives a
`kill -9` of its writer. As in Jepsen a batch ends in one of three ways:

* `ok`: acknowledged, so each item must be stored exactly once;
* `fail`: refused before anything was sent, so no item may be stored;
* `info`: nobody knows (a time-out, a writer that was killed), so stored once or not at all.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from meters import wire
from telemetry_site.clock import now_us

Outcome = Literal["ok", "fail", "info"]


class SampleKey(NamedTuple):
    """A sample's identity; `timestamp` in microseconds."""

    resource: str
    meter: str
    timestamp: int


@dataclass
class Items:
    """Samples and events that share an outcome."""

    samples: dict[SampleKey, float] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)

    def update(self, other: Items) -> None:
        self.samples.update(other.samples)
        self.events |= other.events

    def __len__(self) -> int:
        return len(self.samples) + len(self.events)


@dataclass
class Book:
    """What the ledgers say, by outcome. `batches` counts the `ok` ones."""

    ok: Items = field(default_factory=Items)
    fail: Items = field(default_factory=Items)
    info: Items = field(default_factory=Items)
    batches: int = 0


class LedgerError(Exception):
    """A ledger that contradicts itself: then nothing can be concluded from it."""


class Ledger:
    """Write side. One file a producer; threads may share it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()

    def invoke(self, batch: wire.Batch) -> None:
        """Note a batch with all its items, before it is handed over."""
        items = items_of(batch)
        samples = [[*key, value] for key, value in items.samples.items()]
        self._append("invoke", batch.batch_id, samples=samples, events=sorted(items.events))

    def ok(self, batch_id: str) -> None:
        self._append("ok", batch_id)

    def fail(self, batch_id: str, why: str) -> None:
        self._append("fail", batch_id, why=why)

    def info(self, batch_id: str, why: str) -> None:
        self._append("info", batch_id, why=why)

    def close(self) -> None:
        os.close(self._file)

    def _append(self, op: str, batch_id: str, **more: Any) -> None:
        line = json.dumps({"at": now_us(), "op": op, "id": batch_id, **more}) + "\n"
        view = memoryview(line.encode())
        with self._lock:
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)


def read(paths: Iterable[Path]) -> Book:
    """The books of all producers together.

    A line cut off by the writer's death is no entry. Raises `LedgerError` where an outcome has no
    invocation, or one identity was claimed twice.
    """
    book = Book()
    for path in paths:
        _read_one(path, book)
    return book


def _read_one(path: Path, book: Book) -> None:
    open_batches: dict[str, Items] = {}
    *lines, _cut_off = path.read_text().split("\n")
    for line in lines:
        entry = json.loads(line)
        if entry["op"] == "invoke":
            open_batches[entry["id"]] = _claimed(entry)
        elif entry["id"] not in open_batches:
            raise LedgerError(f"{path.name}: {entry['op']} of {entry['id']}, which was not invoked")
        else:
            _enter(book, entry["op"], open_batches.pop(entry["id"]))
    for items in open_batches.values():
        _enter(book, "info", items)


def _claimed(entry: dict[str, Any]) -> Items:
    samples = {
        SampleKey(resource, meter, timestamp): value
        for resource, meter, timestamp, value in entry["samples"]
    }
    return Items(samples, set(entry["events"]))


def _enter(book: Book, outcome: Outcome, items: Items) -> None:
    for known in (book.ok, book.fail, book.info):
        if known.samples.keys() & items.samples.keys() or known.events & items.events:
            raise LedgerError("an identity was claimed by two batches")
    getattr(book, outcome).update(items)
    book.batches += outcome == "ok"


def items_of(batch: wire.Batch) -> Items:
    """The identities (and values) of everything in a batch."""
    events = {event.message_id for event in batch.events.events} if batch.events else set()
    if batch.samples is None:
        return Items(events=events)
    catalogue = wire.decode_catalogue(batch.samples)
    columns = wire.decode_columns(batch.samples)
    names = [(catalogue.resources[one.resource].id, one.meter) for one in catalogue.series]
    rows = zip(
        columns.index.tolist(), columns.timestamp.tolist(), columns.value.tolist(), strict=True
    )
    samples = {SampleKey(*names[index], timestamp): value for index, timestamp, value in rows}
    return Items(samples, events)
