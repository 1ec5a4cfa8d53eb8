"""Rule X3: a task waits out a server that is away before it gives its message back."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

PATIENCE_S = 30.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


def patiently(
    work: Callable[[], Result],
    errors: tuple[type[Exception], ...],
    between: Callable[[Exception], None],
    patience_s: float = PATIENCE_S,
) -> Result:
    """Repeat `work` while it raises one of `errors`, for `patience_s` in all; then let it out.

    `between` is told of each fault that is waited out.
    """
    deadline = time.monotonic() + patience_s
    pause = FIRST_PAUSE_S
    while True:
        try:
            return work()
        except errors as error:
            if time.monotonic() + pause > deadline:
                raise
            between(error)
        time.sleep(pause * random.uniform(0.8, 1.2))
        pause = min(pause * 2, LONGEST_PAUSE_S)
