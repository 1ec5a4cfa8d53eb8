"""`manage.py webhook_receiver`: prints what arrives, to try webhooks and alarm actions by hand."""

from __future__ import annotations

import hmac
import json
import re
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from django.core.management import BaseCommand, CommandError, CommandParser
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.syntax import Syntax

from alarms.choices import State
from alarms.notifier.schemes.http import signature
from telemetry_site import clock
from telemetry_site.console import console

LARGEST_BODY = 1 << 20
LONGEST_DELAY_S = 3600
#: How old a signature may be, as docs/reference/webhooks.md tells receivers.
FRESH_S = 300
COLOURS = {State.OK: "green", State.ALARM: "red", State.INSUFFICIENT_DATA: "yellow"}


class Behaviour(NamedTuple):
    """What is answered: 500 to the first `fail` attempts at each message, then `status`."""

    status: int = 200
    fail: int = 0
    delay_s: float = 0.0
    secret: str = ""


class Receiver(ThreadingHTTPServer):
    """Answers each request as `behaviour` says and prints it."""

    daemon_threads = True

    def __init__(self, port: int, behaviour: Behaviour, console: Console) -> None:
        self.behaviour = behaviour
        self.console = console
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def status(self, key: str) -> int:
        """The answer to one more attempt at the message with this key."""
        with self._lock:
            self._tries[key] += 1
            return 500 if self._tries[key] <= self.behaviour.fail else self.behaviour.status


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"
    timeout = 30

    def _take(self) -> None:
        length = self._length()
        if length is None:
            self._answer(400, "Content-Length must be a number below 1 MiB.\n")
            return
        body = self.rfile.read(length)
        status = self.server.status(self.headers.get("Idempotency-Key", ""))
        said = self._as_message(body, status) or self._as_request(body, status)
        self.server.console.print(said, markup=True)
        time.sleep(self.server.behaviour.delay_s)
        self._answer(status, f"received {length} bytes\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _take

    def _as_message(self, body: bytes, status: int) -> str | None:
        """An alarm's message in three lines; None for anything else."""
        try:
            message = json.loads(body)
            name, reason = str(message["alarm_name"]), str(message["reason"])
            before, after = str(message["previous"]), str(message["current"])
        except (ValueError, TypeError, KeyError):
            return None
        colour = COLOURS.get(State(after), "") if after in State.values else ""
        change = f"{escape(before)} → {escape(after)}"
        facts = [
            f"attempt {self.headers.get('X-Telemetry-Attempt', '?')}",
            f"key {self.headers.get('Idempotency-Key', 'missing')}",
            *(["a test"] if self.headers.get("X-Alarm-Test") else []),
            *self._genuineness(body),
            f"answer {status}",
        ]
        return (
            f"{clock.now():%H:%M:%S}  [bold {colour}]{change}[/]  {escape(name)}\n"
            f"          {escape(reason)}\n          {escape(', '.join(facts))}\n"
        )

    def _as_request(self, body: bytes, status: int) -> RenderableType:
        """Any other request: its headers and its body."""
        lines = [f"{clock.now():%H:%M:%S}  [bold]{escape(self.command)} {escape(self.path)}[/]"]
        lines += [f"[bold]{escape(n)}:[/] {escape(v)}" for n, v in self.headers.items()]
        facts = ", ".join([*self._genuineness(body), f"answer {status}"])
        return Group(*lines, "", as_pretty(body), facts, "")

    def _genuineness(self, body: bytes) -> list[str]:
        secret = self.server.behaviour.secret
        if not secret:
            return []
        header = self.headers.get("X-Telemetry-Signature")
        if header is None:
            return ["signature missing"]
        return ["signature valid" if is_genuine(header, body, secret) else "signature invalid"]

    def _length(self) -> int | None:
        text = self.headers.get("Content-Length", "0")
        return int(text) if text.isdecimal() and int(text) <= LARGEST_BODY else None

    def _answer(self, code: int, text: str) -> None:
        body = b"" if code == 204 or self.command == "HEAD" else text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain")
        if code != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The request itself is printed."""


def is_genuine(header: str, body: bytes, secret: str) -> bool:
    """Whether one of the header's signatures is made with the secret, and lately."""
    at = re.match(r"t=(\d{1,12}),", header)
    if at is None or abs(time.time() - int(at[1])) > FRESH_S:
        return False
    wanted = signature([secret], int(at[1]), body).partition(",")[2].encode()
    given = header.encode("utf-8", "replace").split(b",")[1:]
    return any(hmac.compare_digest(wanted, one.strip()) for one in given)


def as_pretty(body: bytes) -> Syntax | str:
    """JSON indented and coloured, any other text as it is."""
    text = body.decode("utf-8", "backslashreplace")
    try:
        return Syntax(json.dumps(json.loads(text), indent=2, ensure_ascii=False), "json")
    except ValueError:
        return escape(text) or "(no body)"


class Command(BaseCommand):
    help = "Listen on 127.0.0.1 and print each message of an alarm (or any other request)."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=9099)
        parser.add_argument("--status", type=int, default=200, help="answer with this code")
        parser.add_argument(
            "--fail", type=int, default=0, metavar="N",
            help="answer 500 to the first N attempts at each message",
        )  # fmt: skip
        parser.add_argument("--delay", type=float, default=0.0, help="seconds before the answer")
        parser.add_argument("--secret", default="", help="check signatures made with this secret")

    def handle(self, *_: Any, **options: Any) -> None:
        behaviour = _behaviour(options)
        try:
            server = Receiver(options["port"], behaviour, console(self.stdout))
        except (OSError, OverflowError) as error:
            raise CommandError(f"Port {options['port']} can't be used: {error}") from error
        with server, suppress(KeyboardInterrupt):
            self.stdout.write(f"Listening on http://127.0.0.1:{server.server_address[1]}/")
            self.stdout.flush()
            server.serve_forever()


def _behaviour(options: dict[str, Any]) -> Behaviour:
    if not 200 <= options["status"] <= 599:
        raise CommandError(f"--status {options['status']}: a final HTTP status is 200 to 599.")
    if options["fail"] < 0:
        raise CommandError(f"--fail {options['fail']}: must not be negative.")
    if not 0 <= options["delay"] <= LONGEST_DELAY_S:
        raise CommandError(f"--delay {options['delay']}: must be 0 to {LONGEST_DELAY_S} seconds.")
    return Behaviour(options["status"], options["fail"], options["delay"], options["secret"])
