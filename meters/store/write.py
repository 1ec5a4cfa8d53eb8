"""The one way in: every sample, event and report, whichever door it came by, ends here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from meters import wire
from meters.retention import earliest
from meters.store import events, lifecycle, quarantine, reports
from meters.store.catalogue import (
    CatalogueCache,
    Resolver,
    StaleCatalogueError,
    key_of,
    lock_catalogue,
)
from meters.store.head import ENTER, Entry, Rows, copy_rows, enter_head
from telemetry_site.clock import to_us
from telemetry_site.failpoints import failpoint

#: K3: how far ahead of the database's clock a sample may lie.
FUTURE_ALLOWANCE = timedelta(seconds=300)

_ENTER_COUNTING = f"WITH counted AS ({reports.COUNT_MINUTE}) {ENTER}"
_cache = CatalogueCache()


class Problem(NamedTuple):
    """One sample that was not stored. `position` is its row in the batch."""

    position: int
    reason: str
    detail: str


@dataclass
class StoreResult:
    """What became of one batch."""

    batch_id: str
    samples: int = 0
    events: int = 0
    duplicates: int = 0
    rejected: int = 0
    problems: list[Problem] = field(default_factory=list)
    quarantined: bool = False

    @property
    def status(self) -> wire.ReceiptStatus:
        if self.quarantined:
            return "quarantined"
        return "partial" if self.rejected else "stored"


@dataclass
class _Opened:
    """A batch with its columns decoded: all that can fail by its form has been done."""

    batch: wire.Batch
    result: StoreResult
    bounds: wire.Bounds
    columns: wire.Columns | None = None


def store_batch(batch: wire.Batch, creator: str = "") -> StoreResult:
    return store_batches([batch], creator)[0]


def store_batches(
    batches: Sequence[wire.Batch], creator: str = "", bounds: wire.Bounds = wire.AGENTS
) -> list[StoreResult]:
    """Store the batches in one transaction; committed on return (outside an outer one).

    `creator` is empty for the system's own agents, else the project that posts: what it writes
    goes to resources of its own. Raises `wire.WireError` before anything is written when a batch
    breaks the format, and Django's database errors. Samples out of bounds in time (K3) go to the
    quarantine in the same transaction, the rest of their batch is stored; with `wire.STORED` none
    is, since they were in a store before.
    """
    locked = any(map(lifecycle.has_changes, batches))
    try:
        return _store([_open(batch, bounds) for batch in batches], creator, locked)
    except StaleCatalogueError:
        return _store([_open(batch, bounds) for batch in batches], creator, locked=True)


def _store(opened: Sequence[_Opened], creator: str, locked: bool = False) -> list[StoreResult]:
    """In one transaction; `locked`: with the catalogue's lock from its begin."""
    with transaction.atomic(), connection.cursor() as cursor:
        if locked:
            lock_catalogue(cursor)
        entry = enter_head(cursor)
        known = _cache.enter(entry.epoch)
        resolver = Resolver(cursor, known, creator)
        rows = [_rows(cursor, one, resolver, entry.now) for one in opened]
        copy_rows(cursor, entry.slot, _concatenate(rows))
        failpoint("collector.after_copy")
        new = [event for one in sorted(opened, key=_order) for event in _store_rest(cursor, one)]
        resolver.resolved.changed |= lifecycle.apply(cursor, new)
        events.announce(new)
        reports.count_minute(cursor, [one.result for one in opened])
        if not resolver.resolved.changed:
            transaction.on_commit(lambda: _cache.remember(known, resolver.resolved))
        failpoint("collector.before_commit")
    return [one.result for one in opened]


def begin_rows(cursor: CursorWrapper, samples: int) -> Entry:
    """`enter_head` for `store_rows`, and so many samples are counted, by one statement."""
    if not samples:
        return enter_head(cursor)
    cursor.execute(_ENTER_COUNTING, reports.counted([StoreResult("", samples=samples)]))
    return Entry(*cursor.fetchone())


def store_rows(cursor: CursorWrapper, entry: Entry, rows: Rows) -> None:
    """Store samples of metrics that the caller has resolved, in the caller's transaction, which
    began with `begin_rows`.

    Their times may be any that PostgreSQL and a numpy datetime both know: a metric's archive
    policy says how long they are kept. Samples of a metric deleted meanwhile go with it.
    """
    copy_rows(cursor, entry.slot, rows)


def _open(batch: wire.Batch, bounds: wire.Bounds) -> _Opened:
    opened = _Opened(batch, StoreResult(batch.batch_id), bounds)
    if batch.samples is not None and batch.samples.index:
        opened.columns = wire.decode_columns(batch.samples, bounds)
    return opened


def _rows(cursor: CursorWrapper, one: _Opened, resolver: Resolver, now: datetime) -> Rows | None:
    """The batch's samples with their series ids, those out of bounds in time set aside."""
    samples, columns = one.batch.samples, one.columns
    if samples is None or columns is None:
        return None
    if one.bounds is wire.AGENTS:
        columns = _in_bounds(cursor, one, columns, now)
    if not len(columns.index):
        return None
    key = key_of(resolver.creator, samples)
    ids = resolver.known(key, int(columns.timestamp.min()))
    if ids is None:
        catalogue = wire.decode_catalogue(samples, one.bounds)
        wire.check_index(columns, len(catalogue.series))
        ids = resolver.resolve(key, catalogue, columns)
    else:
        wire.check_index(columns, len(ids))
    one.result.samples = len(columns.index)
    return Rows(ids[columns.index], columns.timestamp, columns.value)


def _in_bounds(
    cursor: CursorWrapper, one: _Opened, columns: wire.Columns, now: datetime
) -> wire.Columns:
    """Columns without the samples of the future and of before the retention (K3)."""
    latest = to_us(now + FUTURE_ALLOWANCE)
    first = to_us(earliest(now))
    future, ancient = columns.timestamp > latest, columns.timestamp < first
    bad = future | ancient
    if not bad.any():
        return columns
    for reason, mask in (("timestamp_future", future), ("timestamp_ancient", ancient)):
        if mask.any():
            _set_aside(cursor, one, columns, mask, reason)
    return columns.where(~bad)


def _set_aside(
    cursor: CursorWrapper,
    one: _Opened,
    columns: wire.Columns,
    mask: npt.NDArray[np.bool_],
    reason: str,
) -> None:
    """Quarantine the marked samples as one body that can be replayed."""
    assert one.batch.samples is not None
    rows = np.flatnonzero(mask).tolist()
    kept = wire.pack_columns(one.batch.samples.catalogue, columns.where(mask))
    detail = f"samples.timestamp[{rows[0]}]: {columns.timestamp[rows[0]]} µs, {len(rows)} samples"
    quarantine.put_samples(cursor, one.batch, kept, reason, detail)
    one.result.rejected += len(rows)
    one.result.problems += [Problem(row, reason, detail) for row in rows]


def _concatenate(parts: Sequence[Rows | None]) -> Rows:
    present = [part for part in parts if part is not None]
    if len(present) == 1:
        return present[0]
    if not present:
        empty = np.empty(0, dtype=np.int64)
        return Rows(empty, empty, np.empty(0, dtype=np.float64))
    return Rows(*(np.concatenate(column) for column in zip(*present, strict=True)))


def _order(one: _Opened) -> tuple[str, str]:
    """So that two transactions with the same batches or agents never wait crosswise."""
    return one.batch.agent_id, one.batch.batch_id


def _store_rest(cursor: CursorWrapper, one: _Opened) -> list[wire.Event]:
    """Events, reports and rejects of one batch; returns the events that are new."""
    batch, result = one.batch, one.result
    new: list[wire.Event] = []
    if batch.events is not None:
        new = events.insert(cursor, batch.events.events)
        result.events = len(new)
        result.duplicates = len(batch.events.events) - result.events
    if batch.reports:
        reports.insert(cursor, batch)
    if batch.rejects:
        quarantine.put_rejects(cursor, batch)
        result.rejected += len(batch.rejects)
    return new
