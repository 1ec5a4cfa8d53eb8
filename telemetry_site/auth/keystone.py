"""Keystone asked whose token it is, with the login of a service user.

`GET /v3/auth/tokens` with the service user's token beside the caller's. keystoneauth makes the
service token, and makes it anew before it expires and when Keystone no longer takes it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, TypeVar

import structlog
from keystoneauth1.access import AccessInfoV3
from keystoneauth1.exceptions import (
    ClientException,
    ConnectFailure,
    ConnectionError,
    ConnectTimeout,
    UnknownConnectionError,
)
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from prometheus_client import Counter, Histogram
from requests import Response

from telemetry_site import __version__
from telemetry_site.auth.caller import UnusableIdError, of_project
from telemetry_site.auth.tokencache import TokenCache, Verdict
from telemetry_site.buckets import LATENCY_BUCKETS
from telemetry_site.settings.keystone import KeystoneAccess

log = structlog.get_logger(__name__)

_T = TypeVar("_T")

#: What an answer of another shape leads to.
_NONSENSE = (KeyError, TypeError, ValueError, AttributeError)
#: So long nobody asks again after Keystone gave no verdict.
PAUSE_S = 2.0
NO_ANSWER = "Keystone gives no answer."
LOGIN_REFUSED = "Keystone refuses the login of this service."
NOT_ALLOWED = "Keystone does not let this service check tokens."
NOT_UNDERSTOOD = "Keystone's answer is not understood."

REQUESTS = Counter(
    "telemetry_keystone_requests_total",
    "Tokens that Keystone was asked for, by result.",
    ["result"],
)
DURATION = Histogram(
    "telemetry_keystone_duration_seconds", "One question to Keystone.", buckets=LATENCY_BUCKETS
)


class KeystoneError(Exception):
    """Keystone gave no verdict. The text is a sentence for the caller; the log has the details."""


class Gate:
    """Lets questions through, but while there is trouble only one at a time and none too soon.

    So an outage holds one thread of the web process and not all, and a wrong password does not
    become a thousand failed logins.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._trouble = ""
        self._shut_until = 0.0
        self._probing = False

    def enter(self) -> None:
        """Raises `KeystoneError` instead of letting through; else `leave` must follow."""
        with self._lock:
            if not self._trouble:
                return
            if self._probing or self._monotonic() < self._shut_until:
                raise KeystoneError(self._trouble)
            self._probing = True

    def refuse_if_shut(self) -> None:
        """For who was let through before the trouble began."""
        with self._lock:
            if self._trouble and self._monotonic() < self._shut_until:
                raise KeystoneError(self._trouble)

    def leave(self, trouble: str, detail: str = "") -> None:
        """`trouble` "" is a verdict. Only a change is logged."""
        with self._lock:
            before, self._trouble, self._probing = self._trouble, trouble, False
            if trouble:
                self._shut_until = self._monotonic() + PAUSE_S
        if trouble and trouble != before:
            log.error("callers with new tokens get 503", reason=trouble, detail=detail)
        elif before and not trouble:
            log.warning("Keystone answers again")


class _ServiceUser(Password):
    """keystoneauth lets one thread log in while the others wait: they don't try after it failed."""

    def __init__(self, gate: Gate, **options: Any) -> None:
        super().__init__(**options)
        self._gate = gate

    def get_auth_ref(self, session: Session) -> AccessInfoV3:
        self._gate.refuse_if_shut()
        try:
            return self._log_in(session)
        except ClientException as error:
            self._gate.leave(*_trouble_of(error))
            raise

    def _log_in(self, session: Session) -> AccessInfoV3:
        try:
            made = _once_more(partial(super().get_auth_ref, session))
            made.will_expire_soon()  # keystoneauth believes an answer until it needs a part of it
        except _NONSENSE as error:
            raise _UnexpectedAnswerError(201) from error
        return made


class Keystone:
    """One cloud's Keystone, for all threads of a process."""

    def __init__(self, access: KeystoneAccess) -> None:
        self._gate = Gate()
        self.access, self._base = access, access.auth_url
        self._url = f"{access.auth_url}/auth/tokens?nocatalog"
        service_user = _ServiceUser(
            self._gate, auth_url=access.auth_url, username=access.username,
            password=access.password, project_name=access.project_name,
            user_domain_name=access.user_domain_name,
            project_domain_name=access.project_domain_name, include_catalog=False,
        )  # fmt: skip
        # Tokens go to Keystone and nowhere else: no redirects, no proxy, no .netrc.
        self._session = Session(
            service_user, verify=access.authorities,
            timeout=access.timeout_s, redirect=False,
            app_name="telemetry", app_version=__version__,
        )  # fmt: skip
        self._session.session.trust_env = False

    def ask(self, token: str) -> Verdict | None:
        """Whose token it is; None when Keystone does not know it. Raises `KeystoneError`."""
        self._gate.enter()
        try:
            with DURATION.time():
                verdict = self._verdict(token)
        except KeystoneError:  # by `refuse_if_shut`: who shut the gate has said why
            REQUESTS.labels("trouble").inc()
            raise
        except ClientException as error:
            trouble, detail = _trouble_of(error)
            self._gate.leave(trouble, detail)
            REQUESTS.labels("trouble").inc()
            raise KeystoneError(trouble) from None
        except BaseException:
            self._gate.leave(NOT_UNDERSTOOD)
            raise
        self._gate.leave("")
        REQUESTS.labels("known" if verdict else "unknown").inc()
        return verdict

    def own_token(self) -> str:
        """The service user's, for another service of the same cloud. Raises `KeystoneError`."""
        try:
            return str(self._session.get_token())
        except ClientException as error:
            raise KeystoneError(_trouble_of(error)[0]) from None

    def request(self, method: str, path: str, token: str = "", body: Any = None) -> Response:
        """Ask for something else, as the service user or the owner of the token; `path` follows
        /v3. Of `/auth/tokens` that is the token itself.

        Raises `KeystoneError` where there is no answer, or one of status 500 and above.
        """
        headers = {"X-Auth-Token": token, "X-Subject-Token": token} if token else {}
        try:
            answer: Response = self._session.request(
                f"{self._base}{path}", method, json=body, authenticated=not token,
                headers={"Accept": "application/json", **headers}, raise_exc=False, log=False,
            )  # fmt: skip
        except ClientException as error:
            raise KeystoneError(_trouble_of(error)[0]) from None
        if answer.status_code >= 500:
            raise KeystoneError(NO_ANSWER)
        return answer

    def own_id(self) -> str:
        """The service user's. Raises `KeystoneError`."""
        try:
            return str(self._session.get_user_id())
        except ClientException as error:
            raise KeystoneError(_trouble_of(error)[0]) from None

    def token_of_trust(self, trust_id: str) -> str:
        """One by which the service user is the trustor. Raises `KeystoneError`."""
        access = self.access
        login = Password(
            auth_url=access.auth_url, username=access.username, password=access.password,
            user_domain_name=access.user_domain_name, trust_id=trust_id, include_catalog=False,
        )  # fmt: skip
        try:
            return str(self._session.get_token(login))
        except ClientException as error:
            raise KeystoneError(_trouble_of(error)[0]) from None

    def _verdict(self, token: str) -> Verdict | None:
        answer = _once_more(partial(self._get, token))
        body = _object_of(answer)
        if answer.status_code == 200 and isinstance(body.get("token"), dict):
            return _read(body["token"])
        if answer.status_code == 404 and "error" in body:
            return None
        raise _UnexpectedAnswerError(answer.status_code)

    def _get(self, token: str) -> Response:
        return self._session.get(
            self._url,
            headers={"X-Subject-Token": token, "Accept": "application/json"},
            raise_exc=False,
            log=False,
        )


def _once_more(ask: Callable[[], _T]) -> _T:
    """Keystone may have just closed the connection that lay idle; not when it took too long."""
    try:
        return ask()
    except ConnectTimeout:
        raise
    except ConnectFailure:
        return ask()


class _UnexpectedAnswerError(ClientException):
    def __init__(self, status: int) -> None:
        super().__init__(f"an answer of status {status} that is none of Keystone's")
        self.http_status = status


def _trouble_of(error: ClientException) -> tuple[str, str]:
    """What the caller is told, and what the log says."""
    if isinstance(error, UnknownConnectionError):  # its text may quote what was sent
        return NO_ANSWER, type(error.original).__name__
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, ConnectionError):
        return NO_ANSWER, detail
    status: int = getattr(error, "http_status", 0) or 0
    by_status = {401: LOGIN_REFUSED, 403: NOT_ALLOWED}
    return by_status.get(status, NO_ANSWER if status >= 500 else NOT_UNDERSTOOD), detail


def _object_of(answer: Response) -> dict[str, Any]:
    """The JSON object, or an empty one for anything else."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _read(token: dict[str, Any]) -> Verdict | None:
    """The verdict in a token's body.

    Roles count for a project only: `admin` of a domain is no administrator of the cloud, and a
    token of the whole system acts for no tenant (S36).
    """
    try:
        project = token.get("project") or {}
        roles = {role["name"].lower() for role in token.get("roles", ())} if project else ()
        caller = of_project(
            token["user"]["id"],
            project["id"] if project else "",
            frozenset(roles),
            domain_id=(token.get("domain") or {}).get("id", ""),
        )
        expires_at = datetime.fromisoformat(token["expires_at"])
    except UnusableIdError as error:
        log.warning("Keystone's token is not used", reason=str(error))
        return None
    except _NONSENSE as error:
        raise _UnexpectedAnswerError(200) from error
    return Verdict(caller, expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC))


_making = threading.Lock()


@lru_cache(maxsize=1)
def service_of(access: KeystoneAccess) -> Keystone:
    """One a process, for own requests to other services."""
    return Keystone(access)


def token_cache(access: KeystoneAccess) -> TokenCache:
    """The one of this process."""
    with _making:
        return _token_cache(access)


@lru_cache(maxsize=1)
def _token_cache(access: KeystoneAccess) -> TokenCache:
    return TokenCache(Keystone(access).ask, access.cache_s)
