"""A real Keystone on SQLite: set up where that has not been done, then served. Takes its directory,
a port, and for TLS another port and a certificate's file; `more.conf` in the directory is added to
its configuration. Run by the Python of Keystone's own environment, which knows none of our
packages.
"""

from __future__ import annotations

import os
import ssl
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from keystone.cmd import cli

#: Bootstrap's password is the directory's own.
CONFIG = """
[DEFAULT]
log_file = {home}/keystone.log
[database]
connection = sqlite:///{home}/keystone.db
[fernet_tokens]
key_repository = {home}/fernet
[fernet_receipts]
key_repository = {home}/fernet
[credential]
key_repository = {home}/credential
[identity]
password_hash_rounds = 4
"""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    """Tells each request on standard output before it is answered: who has the answer can count."""

    def parse_request(self) -> bool:
        is_one = super().parse_request()
        if is_one:
            print(f'"{self.requestline}"', flush=True)
        return is_one

    def log_request(self, *_: Any) -> None:
        """It has been told."""


def manage(config: Path, *command: str) -> None:
    """keystone-manage in a fork: its modules take seconds to load, and can be set up once only."""
    child = os.fork()
    if not child:
        sys.argv = ["keystone-manage", "--config-file", str(config), *command]
        try:
            cli.main(argv=sys.argv)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"keystone-manage {command[0]} failed")


def set_up(home: Path, port: str, password: str) -> Path:
    config = home / "keystone.conf"
    if config.exists():
        return config
    making = home / "making.conf"
    making.write_text(CONFIG.format(home=home) + (home / "more.conf").read_text())
    me = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
    manage(making, "db_sync")
    manage(making, "fernet_setup", *me)
    manage(making, "credential_setup", *me)
    manage(making, "bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", "one",
           "--bootstrap-public-url", f"http://127.0.0.1:{port}/v3")  # fmt: skip
    return making.rename(config)


def main(home: str, port: str, password: str, tls_port: str = "", certificate: str = "") -> None:
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(set_up(Path(home), port, password))
    sys.argv = sys.argv[:1]
    from keystone.wsgi.api import application

    if tls_port:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{certificate}.pem", f"{certificate}.key")
        secure = make_server("127.0.0.1", int(tls_port), application, Server, Handler)
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        threading.Thread(target=secure.serve_forever, daemon=True).start()
    make_server("127.0.0.1", int(port), application, Server, Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
