"""One `manage.py up`: servers, nurseries, roles; watched, and stopped in the right order.

Everything that needs Django's models happens in the nurseries, so this process is small and has
its children loading within a tenth of a second.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterable

from django.conf import settings

from telemetry_site import home, paths, roles, status
from telemetry_site.embedded.postgres import EmbeddedPostgres
from telemetry_site.embedded.server import EmbeddedServer
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.errors import SiteError
from telemetry_site.nursery import ForkedProcess, Nursery
from telemetry_site.output import Output
from telemetry_site.processes import Ledger, spawn
from telemetry_site.settings.addresses import host_and_port
from telemetry_site.supervisor import (
    Child,
    StopRequested,
    Supervisor,
    adopt_orphans,
    stop_signals,
)

READY_WITHIN_S = 60.0
FLOWER_PORT = 5555


class House:
    """Raises `SiteError` with one sentence when it cannot start."""

    def __init__(self, names: str, extras: Iterable[str]) -> None:
        self.began = time.monotonic()
        self.extras = list(extras)
        try:
            self.roles = roles.wanted(names)
        except KeyError as error:
            known = ", ".join(roles.ROLES)
            raise SiteError(f"There is no role {error.args[0]!r}; the roles are {known}.") from None
        self.servers: list[EmbeddedServer] = []
        self.nurseries: dict[str, Nursery] = {}

    def run(self) -> None:
        home.prepare()
        with home.lock():
            if any(role.kind == "web" for role in self.roles):
                refuse_taken_port(settings.WEB_BIND, settings.PORT)
            refuse_silent_server("BROKER_URL", settings.BROKER_URL)
            refuse_silent_server("DATABASE_URL", settings.DATABASE_URL)
            adopt_orphans()
            self.output = Output()
            ledger = Ledger(paths.run_dir() / "processes.json")
            if left := ledger.end_leftovers():
                self.output.say(f"Ended {left} processes of an earlier start.")
            self.supervisor = Supervisor(self.output, ledger)
            with stop_signals():
                try:
                    self._start()
                    self.supervisor.run()
                except StopRequested:
                    self.output.say("Stopping …")
                finally:
                    self._stop()

    def _start(self) -> None:
        for kind in sorted({role.settings for role in self.roles} | {"server"}):
            self._nursery(kind)
        if settings.EMBEDDED_BROKER:
            self._launch(EmbeddedValkey())
        if settings.EMBEDDED_DATABASE:
            self._launch(EmbeddedPostgres())
        self._start_roles("agent")  # they need no database
        for server in self.servers:
            server.wait_ready()
        password = self._prepare()
        self._start_roles("server")
        if "flower" in self.extras:
            self.supervisor.start(flower())
        deadline = time.monotonic() + READY_WITHIN_S
        self.supervisor.run(lambda: self.supervisor.all_ready or time.monotonic() > deadline)
        self._tell(password)

    def _nursery(self, kind: str) -> Nursery:
        """The living nursery of this kind; a new one where it has died."""
        found = self.nurseries.get(kind)
        if found is None or not found.alive:
            pipe = self.output.attach(f"nursery-{kind}")
            try:
                found = self.nurseries[kind] = Nursery(kind, child_environment(), pipe)
            finally:
                os.close(pipe)
        return found

    def _launch(self, server: EmbeddedServer) -> None:
        self.servers.append(server)
        pipe = self.output.attach(server.name, server.chatter)
        try:
            server.launch(pipe)
        finally:
            os.close(pipe)
        self.supervisor.record()

    def _prepare(self) -> str:
        """Let the nursery make tables and schedule; returns the new admin's password, or ""."""
        reading, writing = os.pipe()
        pipe = self.output.attach("prepare")
        process = self._nursery("server").fork("prepare", writing, pipe)
        os.close(writing)
        os.close(pipe)
        with os.fdopen(reading) as answer:
            line = answer.readline()
        process.wait()
        if not line:
            raise SiteError("The database could not be prepared; the reason stands above.")
        done = json.loads(line)
        if done["error"]:
            raise SiteError(done["error"])
        if done["migrations"]:
            self.output.say(f"{done['migrations']} migrations done.")
        return str(done["password"])

    def _start_roles(self, kind: str) -> None:
        for role in self.roles:
            if role.settings == kind:
                self.supervisor.start(self._child(role))

    def _child(self, role: roles.Role) -> Child:
        def launch(pipe: int) -> ForkedProcess:
            return self._nursery(role.settings).fork(role.name, pipe, pipe)

        return Child(role.name, launch, role.stop_stage, ready_by_status)

    def _tell(self, password: str) -> None:
        late = [child.name for child in self.supervisor.children if not child.ready]
        say = self.output.say
        if late:
            say(f"Not ready after {READY_WITHIN_S:.0f} s: {', '.join(late)} (still trying).")
        say(f"Up after {time.monotonic() - self.began:.1f} s: {settings.SITE_URL}")
        if password:
            say(f"Log in as admin with password {password} (shown only this once).")

    def _stop(self) -> None:
        self.supervisor.stop()
        for nursery in self.nurseries.values():
            nursery.stop()
        for server in self.servers:
            server.stop()
        self.supervisor.end_descendants()
        self.output.close()


def ready_by_status(pid: int) -> str | None:
    """A role is ready when its status file says so."""
    for found in status.read_all():
        if found.pid == pid and found.state == "ready":
            return found.health
    return None


def child_environment() -> dict[str, str]:
    """What all children share. The settings they choose themselves, by role."""
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    env["TELEMETRY_HOME"] = str(paths.home())
    env["PYTHONUNBUFFERED"] = "1"
    env.setdefault("TELEMETRY_SCRAPE_URLS", f"http://127.0.0.1:{settings.PORT}/metrics")
    env.setdefault("WEB_DRAIN_SECONDS", "0")  # there is no load balancer in front
    if sys.stdout.isatty():
        env["FORCE_COLOR"] = "1"
    return env


def flower() -> Child:
    """Celery's own page, on loopback, with a password of its own for each start."""
    password = secrets.token_urlsafe(16)
    argv = [sys.executable, "-m", "celery", "-A", "telemetry_site.celery:app", "flower"]
    env = child_environment() | {
        "DJANGO_SETTINGS_MODULE": roles.settings_module("server"),
        "FLOWER_ADDRESS": "127.0.0.1",
        "FLOWER_PORT": str(FLOWER_PORT),
        "FLOWER_BASIC_AUTH": f"admin:{password}",
    }
    word = f"http://127.0.0.1:{FLOWER_PORT}  user admin, password {password}"

    def launch(pipe: int) -> subprocess.Popen[bytes]:
        return spawn(argv, env=env, output=pipe, cwd=paths.ROOT)

    return Child(
        "flower", launch, is_ready=lambda _pid: word if port_answers(FLOWER_PORT) else None
    )


def refuse_taken_port(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "is taken by another program" if taken else f"can't be used ({error.strerror})"
        raise SiteError(f"Port {port} on {host} {reason}; set PORT to a free one.") from error
    except OverflowError as error:
        raise SiteError(f"PORT={port} is no port number (0–65535).") from error


def refuse_silent_server(name: str, url: str) -> None:
    """Nobody there: say so at once. Whether it lets us in is found by `prepare`."""
    address = host_and_port(url)
    if address is None:
        return
    try:
        socket.create_connection(address, 5).close()
    except OSError as error:
        where = f"{address[0]}:{address[1]}"
        raise SiteError(f"{name}: no answer from {where}: {error.strerror or error}.") from error


def port_answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True
