"""The spool: an agent's batches on disk, a file each, from before they are published until the
collector's receipt (rules A1, A5, A6).

A file `<created_ms>-<batch_id>.b` holds one line of JSON (`v`, `batch_id`, `created`, `items`,
`first`, `last`, `sha256`, `kind`) and the body. It is written to `tmp/`, fsynced, renamed, and the
directory is fsynced: at no moment is half a file visible. What is damaged goes to `bad/`, counted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import structlog

from pollers import metrics
from telemetry_site.failpoints import failpoint

log = structlog.get_logger(__name__)

Kind = Literal["batch", "raw"]
DropReason = Literal["size", "age", "disk"]


class SpoolError(Exception):
    """Root of the spool's errors."""


class SpoolFullError(SpoolError):
    """There is no room, and nothing may be dropped to make some."""


class DamagedFileError(SpoolError):
    """A file whose body is not what its header says."""


@dataclass(frozen=True)
class Limits:
    """Rule A6. `drop_oldest` is for polled samples; notifications wait at their bus instead.

    The disk counts as full below a tenth of it or `free_bytes`, whichever is less: a disk that is
    nine tenths full for years is no reason to lose samples.
    """

    bytes: int = 1 << 30
    age_s: float = 7 * 86_400
    files: int = 200_000
    free_share: float = 0.10
    free_bytes: int = 1 << 30
    drop_oldest: bool = True


class Header(msgspec.Struct, frozen=True):
    v: int
    batch_id: str
    created: int
    items: int
    sha256: str
    kind: Kind = "batch"
    first: int = 0
    last: int = 0


class Entry(NamedTuple):
    """A spooled batch. `created`, `first`, `last` in microseconds, `size` of the whole file."""

    batch_id: str
    path: Path
    created: int
    items: int
    kind: Kind
    size: int
    first: int
    last: int


class Dropped(NamedTuple):
    """Items that the limits cost; `first` and `last` are their sample times in microseconds."""

    items: int
    first: int
    last: int
    reason: DropReason


class Spool:
    """Thread-safe. The directory is listed once, at the start."""

    def __init__(
        self,
        directory: Path,
        limits: Limits | None = None,
        on_drop: Callable[[Dropped], None] | None = None,
    ) -> None:
        self.directory = directory
        self.limits = limits or Limits()
        self._on_drop = on_drop or (lambda dropped: None)
        self._lock = threading.RLock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._bytes = 0
        self._prepare()

    # --- writing -----------------------------------------------------------------------------

    def put(
        self, batch_id: str, body: bytes, *, created: int, items: int, kind: Kind = "batch",
        first: int = 0, last: int = 0,
    ) -> Entry:  # fmt: skip
        """Write one batch durably. Putting the same id again changes nothing.

        Raises `SpoolFullError` where there is no room and nothing may be dropped, or where even
        an emptied spool can't be written.
        """
        digest = hashlib.sha256(body).hexdigest()
        header = Header(1, batch_id, created, items, digest, kind, first, last)
        data = msgspec.json.encode(header) + b"\n" + body
        with self._lock:
            if batch_id in self._entries:
                return self._entries[batch_id]
            self._make_room(len(data), created)
            path = self._write(f"{created // 1000:013d}-{batch_id}.b", data)
            entry = Entry(batch_id, path, created, items, kind, len(data), first, last)
            self._add(entry)
            return entry

    def _write(self, name: str, data: bytes) -> Path:
        """Write, and where the disk is full drop the oldest and try again, as often as it helps."""
        while True:
            try:
                return self._write_once(name, data)
            except OSError as error:
                (self.directory / "tmp" / name).unlink(missing_ok=True)
                if not (self.limits.drop_oldest and self._entries):
                    raise SpoolFullError(f"{self.directory}: {error.strerror}") from error
                self._drop(next(iter(self._entries.values())), "disk")

    def _write_once(self, name: str, data: bytes) -> Path:
        temporary, final = self.directory / "tmp" / name, self.directory / name
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(descriptor, data)
            failpoint("agent.after_tmp_write")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        failpoint("agent.after_fsync")
        os.rename(temporary, final)
        failpoint("agent.after_rename")
        _fsync_directory(self.directory)
        return final

    # --- reading and deleting ----------------------------------------------------------------

    def oldest(self, count: int) -> list[str]:
        """Ids of the `count` oldest batches, oldest first."""
        with self._lock:
            return list(islice(self._entries, count))

    def get(self, batch_id: str) -> Entry | None:
        with self._lock:
            return self._entries.get(batch_id)

    def read(self, entry: Entry) -> bytes:
        """The body. A damaged file is moved to `bad/` and raises `DamagedFileError`."""
        try:
            return _body(entry.path.read_bytes())
        except (OSError, DamagedFileError) as error:
            self._set_aside(entry.path, str(error))
            with self._lock:
                self._remove(entry.batch_id)
            raise DamagedFileError(f"{entry.path.name}: {error}") from error

    def delete(self, batch_id: str) -> bool:
        """Forget a batch that the database has; False if it was not here."""
        with self._lock:
            entry = self._remove(batch_id)
        if entry is None:
            return False
        entry.path.unlink(missing_ok=True)
        return True

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        return self._bytes

    def oldest_created(self) -> int | None:
        """When the oldest batch was made, in microseconds."""
        with self._lock:
            entry = next(iter(self._entries.values()), None)
        return entry.created if entry else None

    def expire(self, now_us: int) -> None:
        """Drop what is older than the age limit (polled samples only)."""
        limit = now_us - int(self.limits.age_s * 1e6)
        with self._lock:
            for entry in list(self._entries.values()):
                if not self.limits.drop_oldest or entry.created >= limit:
                    return
                self._drop(entry, "age")

    # --- inside ------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make the directories, clear `tmp/`, and take in what an earlier process left."""
        for directory in (self.directory, self.directory / "tmp", self.directory / "bad"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.directory.stat().st_uid != os.geteuid():
            raise SpoolError(f"{self.directory} belongs to another user")
        for left in (self.directory / "tmp").iterdir():
            left.unlink()
        for path in sorted(self.directory.glob("*.b")):
            self._take_in(path)

    def _take_in(self, path: Path) -> None:
        try:
            header, size = _header(path)
        except (OSError, DamagedFileError) as error:
            self._set_aside(path, str(error))
            return
        entry = Entry(
            header.batch_id, path, header.created, header.items, header.kind, size,
            header.first, header.last,
        )  # fmt: skip
        self._add(entry)

    def _set_aside(self, path: Path, why: str) -> None:
        metrics.SPOOL_CORRUPT.inc()
        log.error("spool file damaged", file=path.name, reason=why)
        try:
            os.replace(path, self.directory / "bad" / path.name)
        except OSError as error:
            log.error("damaged file stays where it is", file=path.name, reason=str(error))

    def _make_room(self, size: int, now_us: int) -> None:
        self.expire(now_us)
        while self._over(size):
            if not (self.limits.drop_oldest and self._entries):
                raise SpoolFullError(f"{self.directory}: {len(self)} files, {self._bytes} bytes")
            self._drop(next(iter(self._entries.values())), "size")
        while self._entries and self._disk_short():
            if not self.limits.drop_oldest:
                raise SpoolFullError(f"{self.directory}: the disk is full")
            self._drop(next(iter(self._entries.values())), "disk")

    def _over(self, size: int) -> bool:
        return self._bytes + size > self.limits.bytes or len(self._entries) >= self.limits.files

    def _disk_short(self) -> bool:
        usage = shutil.disk_usage(self.directory)
        return usage.free < min(usage.total * self.limits.free_share, self.limits.free_bytes)

    def _drop(self, entry: Entry, reason: DropReason) -> None:
        self._remove(entry.batch_id)
        entry.path.unlink(missing_ok=True)
        metrics.SPOOL_DROPPED.labels(reason).inc(entry.items)
        log.warning("spool full, oldest batch dropped", batch=entry.batch_id, reason=reason)
        self._on_drop(Dropped(entry.items, entry.first, entry.last, reason))

    def _add(self, entry: Entry) -> None:
        self._entries[entry.batch_id] = entry
        self._bytes += entry.size

    def _remove(self, batch_id: str) -> Entry | None:
        entry = self._entries.pop(batch_id, None)
        if entry is not None:
            self._bytes -= entry.size
        return entry


def _header(path: Path) -> tuple[Header, int]:
    with path.open("rb") as file:
        line = file.readline(4096)
        size = os.fstat(file.fileno()).st_size
    return _decode_header(line), size


def _decode_header(line: bytes) -> Header:
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DamagedFileError(f"unreadable header: {error}") from error
    if header.v != 1:
        raise DamagedFileError(f"unknown version {header.v}")
    return header


def _body(data: bytes) -> bytes:
    line, _, body = data.partition(b"\n")
    if hashlib.sha256(body).hexdigest() != _decode_header(line).sha256:
        raise DamagedFileError("checksum does not fit")
    return body


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
