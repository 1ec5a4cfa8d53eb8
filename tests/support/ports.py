"""Ports for servers of tests that learn theirs before they start."""

from __future__ import annotations

import os
import random
import socket

#: Below Linux's own range (32768…): no outgoing connection takes one of these by chance.
FIRST, LAST = 10_000, 32_700
_dice = random.Random(os.urandom(8))


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listens now."""
    while True:
        port = _dice.randint(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
