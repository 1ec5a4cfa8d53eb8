"""A network that fails to order: a proxy for TCP and unix sockets, one an edge.

Runs in a thread of its own; every method may be called from the test. A fault holds for present
and new connections until `up()`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

Address = tuple[str, int] | Path
Direction = Literal["up", "down"]  # up: towards the server
Result = TypeVar("Result")

CHUNK = 65_536
BOTH: frozenset[Direction] = frozenset(("up", "down"))


@dataclass(frozen=True)
class Fault:
    """What happens to each chunk. `hold`: directions that are not forwarded at all."""

    hold: frozenset[Direction] = frozenset()
    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0
    cut_after: int | None = None
    corrupt: float = 0.0
    copies: int = 1


class _Link:
    """One client and its connection to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.ends = (client, server)
        self.forwarded = 0
        self.tasks: list[asyncio.Task[None]] = []

    def reset(self) -> None:
        """RST to both sides on TCP; a unix socket's peer sees a reset where data were unread."""
        for end in self.ends:
            if end.transport.is_closing():
                continue
            raw = end.get_extra_info("socket")
            if raw.family != socket.AF_UNIX:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.transport.abort()


class Proxy:
    """Forwards `listen` to `target`. TCP port 0 takes a free one: see `address`."""

    def __init__(self, listen: Address, target: Address, seed: int = 0) -> None:
        self.address = listen
        self.target = target
        self._fault = Fault()
        self._random = random.Random(seed)
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    # --- control -----------------------------------------------------------------------------

    def start(self) -> Proxy:
        self._thread.start()
        self._call(self._listen())
        return self

    def stop(self) -> None:
        self._call(self._close())
        self._call(self._end_handlers())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def __enter__(self) -> Proxy:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def up(self) -> None:
        """Heal: forward everything; what was held flows on."""
        self._set(Fault())
        self._call(self._listen())

    def refuse(self) -> None:
        """Nobody listens, and present connections are reset."""
        self._call(self._close())

    def reset(self) -> None:
        """Reset the present connections once; new ones are served."""
        self._call(self._reset_links())

    def blackhole(self) -> None:
        """Accept, and forward nothing."""
        self._set(replace(self._fault, hold=BOTH))

    def half_open(self, stopped: Direction) -> None:
        """Stop one direction."""
        self._set(replace(self._fault, hold=frozenset((stopped,))))

    def latency(self, ms: float, jitter_ms: float = 0.0) -> None:
        """Each chunk waits `ms`, and up to `jitter_ms` more; order is kept."""
        self._set(replace(self._fault, delay_s=ms / 1000, jitter_s=jitter_ms / 1000))

    def bandwidth(self, bytes_per_s: float) -> None:
        """Of each connection and direction."""
        self._set(replace(self._fault, bytes_per_s=bytes_per_s))

    def cut_after(self, size: int) -> None:
        """Reset each connection once it has forwarded `size` bytes from now on."""
        for link in list(self._links):
            link.forwarded = 0
        self._set(replace(self._fault, cut_after=size))

    def corrupt(self, probability: float) -> None:
        """Flip one bit of a chunk, with this probability."""
        self._set(replace(self._fault, corrupt=probability))

    def dup(self) -> None:
        """Forward each chunk twice."""
        self._set(replace(self._fault, copies=2))

    @property
    def connections(self) -> int:
        return len(self._links)

    # --- inside ------------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _set(self, fault: Fault) -> None:
        async def change() -> None:
            self._fault = fault
            self._changed.set()
            self._changed = asyncio.Event()

        self._call(change())

    async def _listen(self) -> None:
        if self._server is not None:
            return
        if isinstance(self.address, Path):
            self.address.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, self.address)
        else:
            self._server = await asyncio.start_server(self._serve, *self.address)
            self.address = self._server.sockets[0].getsockname()[:2]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset_links()

    async def _reset_links(self) -> None:
        links, self._links = self._links, set()
        for link in links:
            link.reset()
            for task in link.tasks:
                task.cancel()
        await asyncio.gather(
            *(task for link in links for task in link.tasks), return_exceptions=True
        )

    async def _end_handlers(self) -> None:
        handlers = asyncio.all_tasks() - {asyncio.current_task()}
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self.target, Path):
                from_server, to_server = await asyncio.open_unix_connection(self.target)
            else:
                from_server, to_server = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, to_server)
        if self._server is None:  # refused, while the server was asked
            link.reset()
            return
        self._links.add(link)
        link.tasks = [
            asyncio.create_task(self._pump(link, "up", reader, to_server)),
            asyncio.create_task(self._pump(link, "down", from_server, writer)),
        ]
        await asyncio.wait(link.tasks)
        self._links.discard(link)
        for end in link.ends:
            end.close()

    async def _pump(
        self, link: _Link, way: Direction, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        """Forward until the source ends, then tell the sink so: half-closed links stay alive."""
        try:
            while data := await source.read(CHUNK):
                for piece in await self._harmed(link, way, data):
                    sink.write(piece)
                    await sink.drain()
                if self._fault.cut_after is not None and link.forwarded >= self._fault.cut_after:
                    link.reset()
                    return
            sink.write_eof()
        except OSError:  # one side is gone: so is the other
            link.reset()

    async def _harmed(self, link: _Link, way: Direction, data: bytes) -> list[bytes]:
        """The chunk as the fault leaves it, when the fault lets it go."""
        while way in self._fault.hold:
            await self._changed.wait()
        fault = self._fault
        if fault.delay_s or fault.jitter_s:
            await asyncio.sleep(fault.delay_s + self._random.uniform(0, fault.jitter_s))
        if fault.bytes_per_s:
            await asyncio.sleep(len(data) / fault.bytes_per_s)
        if fault.cut_after is not None:
            data = data[: max(0, fault.cut_after - link.forwarded)]
        link.forwarded += len(data)
        if self._random.random() < fault.corrupt:
            data = self._flipped(data)
        return [data] * fault.copies

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        changed[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return bytes(changed)
