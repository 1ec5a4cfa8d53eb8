"""Several at once, each with a connection to the database of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import connections

Found = TypeVar("Found")


def at_once(number: int, work: Callable[[], Found]) -> list[Found]:
    """What each of so many threads found, in the order in which they ended."""
    found: list[Found] = []

    def run() -> None:
        try:
            found.append(work())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == number
    return found
