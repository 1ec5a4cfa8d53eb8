"""Targets that a scrape file does not name itself: files, services over HTTP and DNS do.

What was found last counts until something else is: a file that is just being written, a service
or a name server that is away takes no target from the list, and the trouble is told beside them.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import requests
import structlog

from pollers.central.relabel import Labels
from pollers.central.scrape_options import targets_of
from pollers.errors import SourceError
from pollers.http import HttpError, following, plain_session, read_within, refusal, words
from pollers.operator_files import ANYBODYS, is_anybodys, read_operators_yaml
from pollers.urls import without_secrets
from telemetry_site.yamlfile import DefinitionError

log = structlog.get_logger(__name__)

#: So long what a look at the files found counts, in seconds.
FILES_S = 1.0
HTTP_TIMEOUT_S = 10.0
MAX_BYTES = 16 << 20
#: Targets of one discovery; the rest is left out and said.
MAX_TARGETS = 10_000


class DiscoveryError(SourceError):
    """Nothing was found; the text says why, without secrets."""


@dataclass(frozen=True)
class Found:
    """`targets` are labels, `__address__` among them; `problems` are sentences."""

    targets: tuple[Labels, ...] = ()
    problems: tuple[str, ...] = ()


class Discovery(Protocol):
    """A place that names targets. `name` is for messages, without secrets."""

    @property
    def name(self) -> str: ...

    def look(self) -> Found:
        """Raises `DiscoveryError` where what was found last still counts."""


@dataclass
class Files:
    """`file_sd_configs`: files of groups in YAML or JSON; read when they change."""

    patterns: tuple[Path, ...]
    _read: dict[Path, tuple[object, tuple[Labels, ...], str]] = field(
        default_factory=dict, repr=False
    )

    @property
    def name(self) -> str:
        return ", ".join(map(str, self.patterns))

    def look(self) -> Found:
        """A file with a fault keeps the targets that it had; one that is gone has none."""
        files = [path for one in self.patterns for path in sorted(one.parent.glob(one.name))]
        self._read = {path: self._one(path) for path in dict.fromkeys(files)}
        return Found(
            tuple(target for _, targets, _ in self._read.values() for target in targets),
            tuple(problem for _, _, problem in self._read.values() if problem),
        )

    def _one(self, path: Path) -> tuple[object, tuple[Labels, ...], str]:
        state = _state(path)
        last, targets, problem = self._read.get(path, (None, (), ""))
        if state == last:
            return last, targets, problem
        try:
            groups = _groups(_content(path))
            return state, _labelled(groups, "__meta_filepath", str(path)), ""
        except DiscoveryError as error:
            return state, targets, f"{error}; its last targets count"


@dataclass(frozen=True)
class Service:
    """`http_sd_configs`: a URL that answers with groups in JSON."""

    url: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True

    @property
    def name(self) -> str:
        return without_secrets(self.url)

    def look(self) -> Found:
        groups = _groups(self._fetch())
        return Found(_labelled(groups, "__meta_url", self.name))

    def _fetch(self) -> Any:
        end = time.monotonic() + HTTP_TIMEOUT_S
        session = plain_session()
        session.headers.update({"Accept": "application/json", **self.headers})
        if self.verify is not True:
            session.verify = self.verify
        try:
            with following(session, self.url, end) as response:
                if response.status_code != 200:
                    raise HttpError(refusal(response))
                return json.loads(read_within(response, MAX_BYTES, end, HTTP_TIMEOUT_S))
        except HttpError as error:
            raise DiscoveryError(str(error)) from None
        except (requests.RequestException, OSError) as error:
            raise DiscoveryError(words(error)) from None
        except (ValueError, RecursionError):
            raise DiscoveryError("the answer is no JSON") from None
        finally:
            session.close()


@dataclass(frozen=True)
class Names:
    """`dns_sd_configs`: names whose addresses are targets, all with one port."""

    names: tuple[str, ...]
    port: int
    family: socket.AddressFamily = socket.AF_INET

    @property
    def name(self) -> str:
        return ", ".join(self.names)

    def look(self) -> Found:
        """By the system's resolver, which also knows the hosts file."""
        found: list[Labels] = []
        for name in self.names:
            try:
                answers = socket.getaddrinfo(name, self.port, self.family, socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                why = getattr(error, "strerror", None) or "no name of a host"
                raise DiscoveryError(f"{name}: {why}") from None
            hosts = sorted({str(address[0]) for *_, address in answers})
            shown = (f"[{host}]" if ":" in host else host for host in hosts)
            found += [
                {"__address__": f"{host}:{self.port}", "__meta_dns_name": name} for host in shown
            ]
        return Found(tuple(found))


class Watched:
    """A discovery and what it found last.

    The first look is at once. Later ones are made when somebody asks and `refresh_s` have passed:
    at once where that is quick, else in a thread of its own, so that a slow service holds up no
    poll.
    """

    def __init__(
        self, discovery: Discovery, refresh_s: float, is_quick: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.discovery = discovery
        self._refresh_s = refresh_s
        self._is_quick = is_quick
        self._clock = clock
        self._looking = threading.Lock()
        self._due = float("-inf")
        self._found = Found()
        self._is_new = True

    def found(self) -> Found:
        """The same object as long as nothing changes."""
        if self._clock() < self._due:
            return self._found
        if self._is_new or self._is_quick:
            with self._looking:
                if self._clock() >= self._due:
                    self._look()
        elif self._looking.acquire(blocking=False):
            threading.Thread(target=self._look_aside, daemon=True).start()
        return self._found

    def _look_aside(self) -> None:
        try:
            self._look()
        finally:
            self._looking.release()

    def _look(self) -> None:
        last = self._found
        try:
            found = self.discovery.look()
        except DiscoveryError as error:
            found = Found(last.targets, (f"{error}; the last targets count",))
        if len(found.targets) > MAX_TARGETS:
            problem = f"{len(found.targets)} targets, {MAX_TARGETS} kept"
            found = Found(found.targets[:MAX_TARGETS], (*found.problems, problem))
        if found != last:
            if found.problems != last.problems:
                for problem in found.problems:
                    log.warning("targets", discovery=self.discovery.name, problem=problem)
            self._found = found
        self._is_new = False
        self._due = self._clock() + self._refresh_s


def _state(path: Path) -> object:
    """What changes with a file; None where it cannot be had."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_mode


def _content(path: Path) -> Any:
    if path.suffix != ".json":
        content, faults = read_operators_yaml(path)
        if faults:
            raise DiscoveryError(str(faults[0]))
        return content
    if is_anybodys(path):
        raise DiscoveryError(f"{path}: {ANYBODYS}")
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DiscoveryError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise DiscoveryError(f"{path} is no JSON") from None


def _groups(content: Any) -> list[Labels]:
    """The targets of all groups."""
    if not isinstance(content, list):
        raise DiscoveryError("there is no list of groups of targets")
    try:
        return [target for group in content for target in targets_of(group)]
    except DefinitionError as error:
        raise DiscoveryError(str(error)) from None


def _labelled(targets: Iterable[Labels], label: str, value: str) -> tuple[Labels, ...]:
    return tuple({**target, label: value} for target in targets)
