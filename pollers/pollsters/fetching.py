"""Requests of pollsters: each bounded in time and size, each written down for `--explain`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.auth import AuthBase

from pollers.errors import SourceError
from pollers.http import CONNECT_TIMEOUT_S, HttpError, plain_session, read_within, refusal, words
from pollers.pollsters.cloud import Cloud
from pollers.pollsters.handlers import Headers
from pollers.urls import without_secrets

MAX_BYTES = 16 << 20
MAX_LINES = 1000


class FetchError(SourceError):
    """A request that gave nothing; `status` is 0 where there was no answer at all."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """Text and headers of an answer of status 2xx."""

    text: str
    headers: Headers


@dataclass
class Explanation:
    """What a poll did, line by line."""

    lines: list[str] = field(default_factory=list)
    requests: int = 0

    def say(self, text: str) -> None:
        if len(self.lines) < MAX_LINES:
            self.lines.append(text)


class Deadline:
    """The time that a whole poll has, in seconds."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit_s = limit_s
        self._clock = clock
        self._end = clock() + limit_s

    def left(self) -> float:
        """Raises `FetchError` when it is over."""
        left = self._end - self._clock()
        if left <= 0:
            raise FetchError(f"given up after {self.limit_s:g} s, the time that this poll has")
        return left


class Fetcher:
    """Requests of one poll."""

    def __init__(
        self, session: requests.Session, deadline: Deadline, explanation: Explanation
    ) -> None:
        self.session = session
        self.deadline = deadline
        self.explanation = explanation

    def fetch(
        self,
        url: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        timeout_s: float = 30.0,
        cloud: Cloud | None = None,
        auth: AuthBase | None = None,
    ) -> Answer:
        """Ask a service of `cloud`, or any. The cloud's has a certificate of its authorities, and
        is given the token unless `auth` signs the request; one that it refuses is made anew once.

        Raises `FetchError` in words without secrets, which begin with the URL.
        """
        verify = cloud.access.authorities if cloud else None
        if cloud is None or auth is not None:
            return self._once(url, method, headers or {}, timeout_s, verify, auth)
        try:
            return self._once(url, method, self._with_token(cloud, headers), timeout_s, verify)
        except FetchError as error:
            if error.status != 401:
                raise
        cloud.forget_token()
        return self._once(url, method, self._with_token(cloud, headers), timeout_s, verify)

    def _with_token(self, cloud: Cloud, headers: dict[str, str] | None) -> dict[str, str]:
        return {"Accept": "application/json", **(headers or {}), "X-Auth-Token": cloud.token()}

    def _once(
        self, url: str, method: str, headers: dict[str, str], timeout_s: float,
        verify: bool | str | None, auth: AuthBase | None = None,
    ) -> Answer:  # fmt: skip
        limit = min(timeout_s, self.deadline.left())
        shown, clock = without_secrets(url), time.monotonic()
        status = 0
        try:
            with self.session.request(
                method, url, headers=headers, auth=auth, stream=True, allow_redirects=False,
                timeout=(min(CONNECT_TIMEOUT_S, limit), limit), verify=verify,
            ) as response:  # fmt: skip
                status = response.status_code
                if not 200 <= status < 300:
                    raise HttpError(refusal(response))
                body = read_within(response, MAX_BYTES, clock + limit, limit)
                answer = Answer(body.decode(errors="replace"), Headers(response.headers))
            said = f"HTTP {status}, {len(body)} bytes"
        except HttpError as error:
            said = str(error)
            raise FetchError(f"{shown}: {said}", status) from None
        except (requests.RequestException, OSError, ValueError) as error:
            said = words(error)
            raise FetchError(f"{shown}: {said}") from None
        finally:
            self.explanation.requests += 1
            took = time.monotonic() - clock
            self.explanation.say(f"{method} {shown}: {said}, {took:.3f} s")
        return answer


def new_session() -> requests.Session:
    return plain_session()


def join(endpoint: str, path: str) -> str:
    """The URL of `path` at an endpoint: a relative one follows the whole endpoint, one that begins
    with / its host. A version that both have is written once.

    Raises `FetchError` for one that leads to another host: it would be given the token.
    """
    base = endpoint if endpoint.endswith("/") else f"{endpoint}/"
    version = _split(endpoint).path.rstrip("/").rpartition("/")[2]
    if version[:1] == "v" and version[1:2].isdigit() and path.startswith(f"{version}/"):
        path = path.removeprefix(f"{version}/")
    try:
        url = urljoin(base, path)
    except ValueError:
        raise FetchError(f"{without_secrets(path):.200} is no URL") from None
    if origin(url) != origin(endpoint):
        raise FetchError(f"{without_secrets(url)} is not at {without_secrets(endpoint)}")
    return url


def next_url(endpoint: str, current: str, found: str) -> str:
    """The next page. Behind a proxy services name themselves by another host or scheme; then only
    the path of the link counts, and the token stays where it was sent.
    """
    if not found.startswith(("http://", "https://")):
        return join(endpoint, found)
    if origin(found) == origin(current):
        return found
    link, here = _split(found), _split(current)
    return link._replace(scheme=here.scheme, netloc=here.netloc).geturl()


def origin(url: str) -> tuple[str, str]:
    """Raises `FetchError`."""
    parts = _split(url)
    return parts.scheme, parts.netloc


def _split(url: str) -> SplitResult:
    """Services also name what is no URL, like http://[::1."""
    try:
        return urlsplit(url)
    except ValueError:
        raise FetchError(f"{without_secrets(url):.200} is no URL") from None
