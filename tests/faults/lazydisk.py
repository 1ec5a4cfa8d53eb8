"""A disk that keeps only what was synced: for a process that writes as if it would lose power.

`kill -9` leaves the page cache whole, so it never shows a missing fsync. Here what was written
stays in the process until its fsync, and dies with it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from types import ModuleType
from typing import Any


class LazyOs:
    """Stands in for the module `os` where a program writes by descriptor."""

    def __init__(self) -> None:
        self._unsynced: defaultdict[int, bytes] = defaultdict(bytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: bytes) -> int:
        self._unsynced[descriptor] += data
        return len(data)

    def fsync(self, descriptor: int) -> None:
        view = memoryview(self._unsynced.pop(descriptor, b""))
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        self._unsynced.pop(descriptor, None)
        os.close(descriptor)


def install(module: ModuleType) -> None:
    """Let `module` write to such a disk."""
    module.os = LazyOs()  # type: ignore[attr-defined]
