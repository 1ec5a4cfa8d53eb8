"""The only code that calls libvirt: a process of its own, which the agent may kill at any time.

libvirt waits for a guest's monitor without a limit, in C, where no signal handler of Python runs
(reliability.md rows 52, 56). So these calls happen here, and the parent
(`pollers.compute.process`) kills this process when an answer is overdue. It is run as a script
and imports neither Django nor the rest of the house: it starts in a tenth of a second.

Requests come on stdin and answers go to stdout, one at a time, each a frame of 4 bytes length
(big endian) and msgpack:

=====================================  =======================================================
`{"do": "stats", "skip": [uuid, …]}`   numbers of every domain but those: `Domains` below
`{"do": "stats", "only": [uuid, …]}`   numbers of those domains
`{"do": "list"}`                       [[uuid, name], …]; asks no guest's monitor
`{"do": "xml", "only": [uuid, …]}`     [{uuid: XML}, {uuid: why not}]; one that is gone: in none
=====================================  =======================================================

`Domains` is `{"at": ms, "domains": [[uuid, name, runtime id or -1, stats], …]}`, `at` being the
wall clock right before the call. An answer is `{"ok": …}` or `{"error": text, "code": int,
"lost": bool}`; after `lost` (the connection is dead) the parent starts a new process.

End of stdin ends the process even while a call hangs: no orphan outlives its agent.
"""

from __future__ import annotations

import os
import queue
import stat
import struct
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import libvirt
import msgspec

#: State, CPU, balloon, vcpu, interface, block, perf; nothing that costs more (dirty rate, threads).
STATS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
    | libvirt.VIR_DOMAIN_STATS_PERF
)
NOWAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT


def read_requests(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Runs beside the calls (libvirt lets go of the interpreter in them)."""
    while header := sys.stdin.buffer.read(4):
        (size,) = struct.unpack(">I", header)
        requests.put(msgspec.msgpack.decode(sys.stdin.buffer.read(size)))
    os._exit(0)


def reply(answer: dict[str, Any]) -> None:
    body = msgspec.msgpack.encode(answer)
    sys.stdout.buffer.write(struct.pack(">I", len(body)) + body)
    sys.stdout.buffer.flush()


class Child:
    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._local = not urlsplit(uri).netloc
        self._connection: libvirt.virConnect | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._connection is None:
                self._connection = libvirt.openReadOnly(self._uri)
            return {"ok": getattr(self, f"do_{request.pop('do')}")(**request)}
        except libvirt.libvirtError as error:
            text = error.get_error_message() or str(error)
            return {"error": text, "code": error.get_error_code() or 0, "lost": not self._alive()}

    def do_stats(
        self, skip: list[str] | None = None, only: list[str] | None = None
    ) -> dict[str, Any]:
        assert self._connection is not None
        at = time.time_ns() // 1_000_000
        if only is None and not skip:
            records = self._connection.getAllDomainStats(STATS, NOWAIT)
        else:
            domains = self._find(only) if only is not None else self._others(set(skip or ()))
            records = self._connection.domainListGetStats(domains, STATS, NOWAIT) if domains else []
        return {
            "at": at,
            "domains": [
                [domain.UUIDString(), domain.name(), domain.ID(), self._with_lengths(stats)]
                for domain, stats in records
            ],
        }

    def do_list(self) -> list[list[str]]:
        assert self._connection is not None
        return [
            [domain.UUIDString(), domain.name()] for domain in self._connection.listAllDomains()
        ]

    def do_xml(self, only: list[str]) -> list[dict[str, str]]:
        texts, refused = {}, {}
        for domain in self._find(only):
            try:
                texts[domain.UUIDString()] = domain.XMLDesc(0)
            except libvirt.libvirtError as error:
                if not self._alive():
                    raise
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    refused[domain.UUIDString()] = error.get_error_message() or str(error)
        return [texts, refused]

    def _find(self, uuids: list[str]) -> list[Any]:
        """Those domains that are still there."""
        assert self._connection is not None
        found = []
        for uuid in uuids:
            try:
                found.append(self._connection.lookupByUUIDString(uuid))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
        return found

    def _others(self, skip: set[str]) -> list[Any]:
        assert self._connection is not None
        return [
            domain
            for domain in self._connection.listAllDomains()
            if domain.UUIDString() not in skip
        ]

    def _with_lengths(self, stats: dict[str, Any]) -> dict[str, Any]:
        """Add `block.N.length`, the file's length, where the image is a file we can see.

        Done here because a dead network file system may hang this call, too.
        """
        for number in range(stats.get("block.count", 0) if self._local else 0):
            path = stats.get(f"block.{number}.path")
            try:
                status = os.stat(path) if path else None
            except OSError:
                continue
            if status and stat.S_ISREG(status.st_mode):
                stats[f"block.{number}.length"] = status.st_size
        return stats

    def _alive(self) -> bool:
        """Any error on a dead connection leads to a new one, whatever its code says."""
        try:
            return self._connection is not None and bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False


def main() -> None:
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=read_requests, args=(requests,), daemon=True).start()
    child = Child(sys.argv[1])
    while True:
        reply(child.answer(requests.get()))


if __name__ == "__main__":
    main()
