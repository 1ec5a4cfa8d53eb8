"""What lies ready on sockets."""

from __future__ import annotations

import select


def is_readable(descriptor: int, within_ms: int = 0) -> bool:
    """Whether there is something to read by then, or the other side is gone.

    By `poll`: `select` takes no descriptor above 1023.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(within_ms))
