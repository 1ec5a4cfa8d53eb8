"""What every source over HTTP shares: bounded reading, and errors in words without secrets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3

from pollers.connections import TimelyAdapter
from pollers.errors import SourceError
from telemetry_site.settings.certificates import system_authorities

CONNECT_TIMEOUT_S = 3.0
MOST_REDIRECTS = 3


class HttpError(SourceError):
    """The other side gave nothing that can be read."""


class _Session(requests.Session):
    """Follows no redirects: even without, requests reads what comes with one, to its end."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        return iter(())


def plain_session() -> requests.Session:
    """Without the user's proxy and .netrc, which are not for polling, and without cookies, of
    which a service may set a new one each time.
    """
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "telemetry"
    session.trust_env = False
    session.verify = system_authorities()
    for scheme in ("http://", "https://"):
        session.mount(scheme, TimelyAdapter())
    return session


@contextmanager
def following(session: requests.Session, url: str, end: float) -> Iterator[requests.Response]:
    """The answer to GET, to be read by `read_within`, after a few redirects.

    `end` is a `time.monotonic()`. What comes with a redirect is not read; a login stays with its
    host, as requests has it.
    """
    headers: dict[str, str | None] = {}
    for _ in range(MOST_REDIRECTS + 1):
        left = max(end - time.monotonic(), 0.001)
        with session.get(
            url, headers=headers, stream=True, allow_redirects=False,
            timeout=(min(CONNECT_TIMEOUT_S, left), left),
        ) as response:  # fmt: skip
            target = session.get_redirect_target(response)
            if not target:
                yield response
                return
            url = urljoin(response.url, target)
            if session.should_strip_auth(response.url, url):  # type: ignore[no-untyped-call]
                headers["Authorization"] = None
    raise requests.TooManyRedirects


def read_within(response: requests.Response, most_bytes: int, end: float, limit_s: float) -> bytes:
    """The body, unpacked, within size and time: the other side may send a byte a second.

    `end` is a `time.monotonic()`, which came `limit_s` after the start. Raises `HttpError`.
    """
    body = bytearray()
    try:
        for piece in response.iter_content(64 * 1024):
            body += piece
            if len(body) > most_bytes:
                raise HttpError(f"answer of more than {most_bytes >> 20} MiB")
            if time.monotonic() > end:
                raise HttpError(f"answer not complete in {limit_s:g} s")
    except requests.ConnectionError as error:
        if any(isinstance(cause, urllib3.exceptions.TimeoutError) for cause in _causes(error)):
            raise HttpError(f"answer not complete in {limit_s:g} s") from None
        raise
    return bytes(body)


def refusal(response: requests.Response) -> str:
    """What was answered instead; a page of HTML says nothing to an operator."""
    said = f"HTTP {response.status_code} {response.reason}"
    if "html" in response.headers.get("Content-Type", ""):
        return said
    head = next(response.iter_content(200), b"").decode(errors="replace")
    return f"{said}: {head!r}" if head else said


def words(error: BaseException) -> str:
    """What went wrong, without the exception's own text, which holds the URL with its secrets."""
    for kind, text in (
        (requests.ConnectTimeout, "no connection before the deadline"),
        (requests.Timeout, "no answer before the deadline"),
        (requests.exceptions.SSLError, "TLS failed"),
        (requests.TooManyRedirects, "too many redirects"),
        (requests.exceptions.InvalidURL, "not a URL"),
        (requests.exceptions.InvalidSchema, "not an http or https URL"),
        (requests.exceptions.MissingSchema, "not an http or https URL"),
        (requests.exceptions.ChunkedEncodingError, "connection broke in the middle of the answer"),
        (requests.exceptions.ContentDecodingError, "the answer can't be unpacked"),
    ):
        if isinstance(error, kind):
            return text
    causes = _causes(error)
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    if reasons:
        return f"no connection: {reasons[-1]}"
    if any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in causes):
        return "no answer before the deadline"
    return type(error).__name__


def _causes(error: BaseException) -> list[BaseException]:
    """The exceptions inside an exception of requests, outermost first."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 20:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and cause not in found:
            found.append(cause)
            waiting += [*cause.args, getattr(cause, "reason", None)]
            waiting += [cause.__cause__, cause.__context__]
    return found
