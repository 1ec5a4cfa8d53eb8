"""The scheme file: one line of JSON a sample or event, synced before it counts; rotation by size.

`max_bytes` and `backup_count` as in others' files: FILE.1 is the newest of the old ones. A line is
never cut: where a write breaks off, what there is of it is taken back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from meters import wire
from pollers.publishers.addresses import Address
from pollers.publishers.errors import TargetError, Unreachable
from pollers.publishers.items import Sample, event_dict, sample_dict
from pollers.publishers.schemes.base import Sink

MODE = 0o640


class FileSink(Sink):
    options = frozenset({"max_bytes", "backup_count"})
    #: Always JSON.
    needless = frozenset({"json"})
    most = 10_000

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        if address.netloc not in ("", "localhost") or not address.path.startswith("/"):
            raise TargetError("must be file:///path, on this machine")
        self.path = Path(address.path)
        if self.path.is_dir():
            raise TargetError(f"{self.path} is a directory")
        self.max_bytes = int(address.number("max_bytes", 0, 0, 1 << 50))
        self.backups = int(address.number("backup_count", 0, 0, 1000))

    def send_samples(self, samples: Sequence[Sample]) -> None:
        self._append(map(sample_dict, samples))

    def send_events(self, events: Sequence[wire.Event]) -> None:
        self._append(map(event_dict, events))

    def _append(self, documents: Iterable[dict[str, Any]]) -> None:
        text = b"".join(msgspec.json.encode(one) + b"\n" for one in documents)
        try:
            self._rotate(len(text))
            _write(self.path, text)
        except OSError as error:
            raise Unreachable(f"{self.path}: {error.strerror}") from error

    def _rotate(self, more: int) -> None:
        """As the logging handlers do: nothing is rotated where no old files are kept."""
        if not (self.max_bytes and self.backups) or not self.path.exists():
            return
        size = self.path.stat().st_size
        if not size or size + more <= self.max_bytes:
            return
        for number in range(self.backups - 1, 0, -1):
            old = self._numbered(number)
            if old.exists():
                old.replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _write(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, MODE)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = b"\n" + text  # what was cut off by a crash stays a line of its own
        try:
            view = memoryview(text)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
