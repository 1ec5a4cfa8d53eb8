"""Where a pollster asks, and the pages that come back: services, any URL, commands of the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from django.conf import settings
from requests.auth import AuthBase

from pollers.pollsters.cloud import Cloud
from pollers.pollsters.commands import run_command
from pollers.pollsters.definition import DEFAULT_TIMEOUT_S, Pollster, Request
from pollers.pollsters.entries import EntryError, next_page_of
from pollers.pollsters.fetching import Fetcher, FetchError, join, next_url, origin
from pollers.pollsters.handlers import Headers, UnreadableError, parse_answer
from pollers.urls import without_secrets
from telemetry_site.expressions import EvaluationError, Variables

MAX_PAGES = 1_000
#: What of an answer may stand in a command: one word, which is no option.
_HARMLESS = re.compile(r"(?!-)[\w@%+=:,./-]+")


@dataclass(frozen=True)
class Secret:
    """What `barbican:ID` finds: the key manager's secret that signs requests."""

    id: str


@dataclass(frozen=True)
class Target:
    """`endpoint` is "" outside of a cloud. `resource` is what a discovery found, or None.

    `secret_id`: the secret that a polling file names in place of the definition's.
    """

    endpoint: str = ""
    resource: Any = None
    secret_id: str = ""

    def __str__(self) -> str:
        what = self.resource.get("id", "") if isinstance(self.resource, dict) else self.resource
        return without_secrets(self.endpoint) if self.endpoint else str(what or "")


class Asker:
    """Sends the requests of one poll."""

    def __init__(self, fetcher: Fetcher, cloud: Cloud | None) -> None:
        self.fetcher = fetcher
        self._cloud = cloud

    def cloud(self) -> Cloud:
        """Raises `FetchError` where none is named."""
        if self._cloud is None:
            raise FetchError("no cloud is named: set TELEMETRY_OPENSTACK_AUTH_URL")
        return self._cloud

    @property
    def login(self) -> str:
        """Whose login the cloud is asked by; "" without a cloud."""
        return self._cloud.access.username if self._cloud else ""

    def where(self, request: Request, target: Target, variables: Variables) -> str:
        """The URL or the command. Raises `FetchError`."""
        known = {"resource": target.resource, "endpoint": target.endpoint, **variables}
        if request.command:
            known = _harmless(known)
        try:
            text = request.path.render(known)
        except EvaluationError as error:
            raise FetchError(
                f"{'host_command' if request.command else 'url_path'}: {error}"
            ) from None
        if request.command or not request.endpoint_type:
            return text
        return join(target.endpoint, text)

    def pages(self, pollster: Pollster, target: Target, variables: Variables) -> Iterator[Any]:
        """Each page, parsed. Raises `FetchError` or `UnreadableError` that begin with the place."""
        request = pollster.request
        if target.secret_id:
            request = replace(request, barbican_secret_id=target.secret_id)
        where = self.where(request, target, variables)
        seen = {where}
        for _ in range(MAX_PAGES):
            answer = self.answer(request, where)
            yield answer
            try:
                found = next_page_of(pollster, answer)
                if not found:
                    return
                where = self._following(request, target, where, found)
            except EntryError as error:
                raise FetchError(f"{_shown(request, where)}: {error}") from None
            if where in seen:
                raise FetchError(f"{_shown(request, where)}: the pages go in a circle")
            seen.add(where)
        raise FetchError(f"{_shown(request, where)}: more than {MAX_PAGES} pages")

    def answer(self, request: Request, where: str) -> Any:
        """One request. Raises `FetchError` or `UnreadableError`."""
        text, headers = (
            (self._run(request, where), Headers())
            if request.command
            else self._fetch(request, where)
        )
        try:
            return parse_answer(request.handlers, text, headers)
        except UnreadableError as error:
            raise UnreadableError(f"{_shown(request, where)}: {error}") from None

    def _following(self, request: Request, target: Target, current: str, found: str) -> str:
        if request.command:
            return found
        return next_url(target.endpoint or current, current, found)

    def _fetch(self, request: Request, url: str) -> tuple[str, Headers]:
        """A service of the cloud is given the token, unless requests are signed in another way."""
        auth = self._authentication(request)
        answer = self.fetcher.fetch(
            url, request.method, dict(request.headers), request.timeout_s,
            cloud=self.cloud() if request.endpoint_type else None, auth=auth,
        )  # fmt: skip
        return answer.text, answer.headers

    def _authentication(self, request: Request) -> AuthBase | None:
        """The object that signs requests, made of the parameters or of Barbican's secret."""
        if not request.module:
            return None
        allowed = settings.TELEMETRY_POLLSTER_AUTH_MODULES
        if request.module not in allowed:
            raise FetchError(
                f"module {request.module} is not in TELEMETRY_POLLSTER_AUTH_MODULES "
                f"({', '.join(allowed)})"
            )
        parameters = request.authentication_parameters or self._secret(request)
        values = [value.strip() for value in parameters.split(",")] if parameters else []
        try:
            made = getattr(import_module(request.module), request.authentication_object)(*values)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            where = f"{request.module}.{request.authentication_object}"
            raise FetchError(f"{where} cannot be used: {type(error).__name__}") from None
        if not callable(made):
            raise FetchError(f"{request.authentication_object} signs no requests")
        return made  # type: ignore[no-any-return]

    def _secret(self, request: Request) -> str:
        if not request.barbican_secret_id:
            return ""
        cloud = self.cloud()
        for endpoint in cloud.endpoints("key-manager"):
            url = join(endpoint, f"v1/secrets/{request.barbican_secret_id}/payload")
            return self.fetcher.fetch(url, headers={"Accept": "text/plain"}, cloud=cloud).text
        raise FetchError("no key-manager is in the catalogue")

    def _run(self, request: Request, command: str) -> str:
        """Output and errors of a command line."""
        return self.output(command, request.timeout_s).decode(errors="replace")

    def output(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> bytes:
        """What a command of this host writes. Raises `FetchError`."""
        if not settings.TELEMETRY_ALLOW_HOST_COMMAND:
            raise FetchError("commands are off on this host: TELEMETRY_ALLOW_HOST_COMMAND=true")
        limit = min(timeout_s, self.fetcher.deadline.left())
        status, output = run_command(command, limit)
        self.fetcher.explanation.requests += 1
        self.fetcher.explanation.say(f"command: status {status}, {len(output)} bytes")
        if status:
            said = output[:200].decode(errors="replace")
            raise FetchError(f"the command ended with status {status}: {said!r}")
        return output


def targets(asker: Asker, request: Request, found: list[Any]) -> list[Target]:
    """One for each thing that was discovered; of a cloud at each endpoint of the service, unless
    what was discovered is an endpoint itself.

    Raises `FetchError` for an endpoint on a host that the catalogue does not have: the token goes
    to none of that kind (S37).
    """
    if request.command or not request.endpoint_type:
        return [_target("", resource) for resource in found]
    made: list[Target] = []
    for resource in found:
        if isinstance(resource, str) and resource.startswith(("http://", "https://")):
            if origin(resource) not in {origin(url) for url in asker.cloud().endpoints("")}:
                raise FetchError(f"{without_secrets(resource)} is no host of the catalogue")
            made.append(Target(resource, resource))
        else:
            endpoints = asker.cloud().endpoints(request.endpoint_type)
            made += [_target(endpoint, resource) for endpoint in endpoints]
    return made


def _target(endpoint: str, resource: Any) -> Target:
    """A secret says how to ask, not what: what is asked is this host, as where nothing is found."""
    if isinstance(resource, Secret):
        return Target(endpoint, settings.TELEMETRY_HOST, resource.id)
    return Target(endpoint, resource)


def _harmless(value: Any) -> Any:
    """A copy without texts that would not be one word of a command."""
    if isinstance(value, dict):
        kept = {key: _harmless(inner) for key, inner in value.items() if _is_harmless(key)}
        return {key: inner for key, inner in kept.items() if _is_harmless(inner)}
    if isinstance(value, list):
        return [_harmless(inner) for inner in value if _is_harmless(inner)]
    return value


def _is_harmless(value: Any) -> bool:
    return not isinstance(value, str) or bool(_HARMLESS.fullmatch(value))


def _shown(request: Request, where: str) -> str:
    return "the command" if request.command else without_secrets(where)
