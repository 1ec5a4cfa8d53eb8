"""Notifications sent as OpenStack's services send them, by a process of oslo.messaging's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PRODUCER = Path(__file__).with_name("oslo_producer.py")
#: `notify(message, exchange)`: returns when the library has handed the message to the bus.
Notify = Callable[..., None]


@contextmanager
def notifying(bus_url: str) -> Iterator[Notify]:
    url = bus_url.replace("amqp://", "rabbit://")
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(PRODUCER), url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        to, answers = process.stdin, process.stdout

        def notify(message: dict[str, Any], exchange: str = "nova") -> None:
            to.write(json.dumps([exchange, message]) + "\n")
            to.flush()
            assert answers.readline() == "sent\n"

        yield notify
