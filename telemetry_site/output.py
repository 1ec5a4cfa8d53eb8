"""The children's output, line by line, with the child's name in front."""

from __future__ import annotations

import os
import re
import selectors
import sys
import threading
from typing import IO

#: ANSI colours that are readable on dark and on light ground.
_COLORS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_LONGEST_LINE = 64 * 1024


class Output:
    """One thread reads all pipes, so that no child ever waits for a full one."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.stream = stream or sys.stdout
        self.colors = self.stream.isatty()
        self.width = 8
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._rests: dict[int, bytes] = {}
        self._hidden: dict[str, re.Pattern[str]] = {}
        self._numbers: dict[str, int] = {}
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ, "")
        self._thread = threading.Thread(target=self._loop, name="output", daemon=True)
        self._thread.start()

    def attach(self, name: str, hide: str = "") -> int:
        """A pipe for the child `name`; give it as stdout and close it after the start.

        Lines that match `hide` are chatter and not shown.
        """
        if hide:
            self._hidden[name] = re.compile(hide)
        reading, writing = os.pipe()
        with self._lock:
            self._numbers.setdefault(name, len(self._numbers))
            self.width = max(self.width, len(name))
            self._rests[reading] = b""
            self._selector.register(reading, selectors.EVENT_READ, name)
        os.write(self._wake_write, b".")
        return writing

    def say(self, text: str, name: str = "") -> None:
        """Print a line of our own, or of the child `name`."""
        prefix = f"{name:<{self.width}} | " if name else ""
        if prefix and self.colors:
            color = _COLORS[self._numbers.get(name, 0) % len(_COLORS)]
            prefix = f"\033[{color}m{prefix}\033[0m"
        try:
            self.stream.write(f"{prefix}{text}\n")
            self.stream.flush()
        except (BrokenPipeError, ValueError):
            return  # nobody reads any more: no reason to stop the house

    def close(self) -> None:
        """Print what is still in the pipes of children that have ended."""
        os.write(self._wake_write, b"q")
        self._thread.join(2)

    def _loop(self) -> None:
        while True:
            quitting = False
            for key, _ in self._selector.select():
                if key.fd == self._wake_read:
                    quitting = b"q" in os.read(self._wake_read, 64)
                else:
                    self._read(key.fd, str(key.data))
            if quitting:
                return

    def _read(self, descriptor: int, name: str) -> None:
        chunk = os.read(descriptor, 1 << 16)
        *lines, rest = (self._rests[descriptor] + chunk).split(b"\n")
        if rest and (not chunk or len(rest) > _LONGEST_LINE):
            lines, rest = [*lines, rest], b""
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\r")
            hidden = self._hidden.get(name)
            if text and not (hidden and hidden.search(text)):
                self.say(text, name)
        self._rests[descriptor] = rest
        if not chunk:
            with self._lock:
                self._selector.unregister(descriptor)
                del self._rests[descriptor]
            os.close(descriptor)
