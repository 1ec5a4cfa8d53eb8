"""Callers with tokens of a real Keystone: who they are taken for, how long, and what happens when
Keystone is away, refuses us, or answers nonsense.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from structlog.testing import capture_logs

from telemetry_site.auth import keystone as client
from telemetry_site.settings.keystone import KeystoneAccess
from tests.api.people import Client, error_of, make_people, token_of
from tests.keystone import SERVICE_PASSWORD, KeystoneServer, access
from tests.support.ports import free_port
from tests.support.webhooks import Receiver, Request, answering, receiver
from tests.support.who import URLS

CONSEQUENCE = "So nobody can say who you are; try again later."
pytestmark = [pytest.mark.keystone, pytest.mark.urls(URLS)]


@pytest.fixture
def use(settings: Any) -> Iterator[Callable[..., None]]:
    """`use(access)`: these are our settings, and nothing is remembered from before."""

    def choose(chosen: KeystoneAccess) -> None:
        client._token_cache.cache_clear()
        settings.TELEMETRY_KEYSTONE = chosen

    yield choose
    client._token_cache.cache_clear()


@pytest.fixture
def door(keystone: KeystoneServer, use: Callable[..., None]) -> KeystoneServer:
    """The running Keystone, and we ask it."""
    use(access(keystone))
    return keystone


def ask(token: str) -> Any:
    return Client().get("/who", headers={"X-Auth-Token": token})


def who(token: str) -> Any:
    answer = ask(token)
    assert answer.status_code == 200, answer.content
    return answer.json()


def refused(token: str, status: int) -> str:
    """What is said. A Retry-After would be the end of gnocchiclient."""
    answer = ask(token)
    assert "Retry-After" not in answer
    return str(error_of(answer, status)["detail"])


@contextmanager
def away(server: KeystoneServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@pytest.fixture
def log() -> Iterator[list[Any]]:
    """What is logged meanwhile."""
    with capture_logs() as entries:
        yield entries


def logged(log: list[Any], text: str) -> int:
    return sum(text in (entry["event"], entry.get("reason")) for entry in log)


# --- who -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("member", ["member", "reader"]),
        ("reader", ["reader"]),
        ("manager", ["manager", "member", "reader"]),
    ],
)
def test_a_user_acts_for_the_project_of_his_token(
    door: KeystoneServer, name: str, roles: list[str]
) -> None:
    user, project = door.find("users", name), door.find("projects", "p1")
    assert who(door.token(name, project_name="p1")) == {
        "user_id": user, "project_id": project, "domain_id": "", "roles": roles,
        "creator": f"{user}:{project}", "tenant_filtered": True,
        "scopes": ["admin", "alarms", "ingest", "read"],
    }  # fmt: skip


def test_admin_and_service_are_known_by_their_roles(door: KeystoneServer) -> None:
    assert "admin" in who(door.admin.get_token() or "")["roles"]
    service = who(door.token("telemetry", SERVICE_PASSWORD, project_name="service"))
    assert service["roles"] == ["service"]
    assert service["project_id"] == door.find("projects", "service")


@pytest.fixture(scope="module")
def everywhere(keystone: KeystoneServer) -> str:
    """An administrator of the domain and of the system, with no role in a project."""
    keystone.make_user("everywhere")
    keystone.grant("admin", "everywhere", "domains/default")
    keystone.grant("admin", "everywhere", "system")
    return "everywhere"


@pytest.mark.parametrize(
    ("scope", "domain"),
    [({"domain_name": "Default"}, "default"), ({"system_scope": "all"}, ""), ({}, "")],
    ids=["domain", "system", "unscoped"],
)
def test_a_token_without_a_project_has_no_role_here(
    door: KeystoneServer, everywhere: str, scope: dict[str, str], domain: str
) -> None:
    """`admin` of a domain is not the cloud's (S36)."""
    found = who(door.token(everywhere, **scope))
    assert (found["project_id"], found["roles"], found["domain_id"]) == ("", [], domain)


def test_headers_of_identity_change_nothing(door: KeystoneServer) -> None:
    token = door.token("member", project_name="p1")
    forged = {
        "X-User-Id": "root", "X-Project-Id": "p2", "X-Roles": "admin", "X-Domain-Id": "d",
        "X-Is-Admin-Project": "True", "X-Service-Token": door.admin.get_token() or "",
        "X-Identity-Status": "Confirmed", "Authorization": "basic YWRtaW46",
    }  # fmt: skip
    answer = Client().get("/who", headers=forged | {"X-Auth-Token": token})
    assert answer.json() == who(token)
    assert Client().get("/who", headers=forged).json() == {"anonymous": True}


# --- application credentials ---------------------------------------------------------------
def application_token(server: KeystoneServer, name: str, **options: Any) -> str:
    """A token by an application credential that the member made for himself."""
    member = server.session("member", project_name="p1")
    url = f"{server.url}/users/{member.get_user_id()}/application_credentials"
    body = {"application_credential": {"name": name, **options}}
    made = member.post(url, json=body).json()["application_credential"]
    identity = {
        "methods": ["application_credential"],
        "application_credential": {"id": made["id"], "secret": made["secret"]},
    }
    answer = requests.post(
        f"{server.url}/auth/tokens", json={"auth": {"identity": identity}}, timeout=30
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"]


def test_an_application_credential_acts_for_its_user(door: KeystoneServer) -> None:
    found = who(application_token(door, "plain"))
    assert found["user_id"] == door.find("users", "member")
    assert found["project_id"] == door.find("projects", "p1")


def test_one_with_access_rules_is_refused(door: KeystoneServer) -> None:
    """We don't check the rules, so we must not take such a token for more than it is."""
    rules = [{"service": "metric", "method": "GET", "path": "/v1/metric"}]
    refused(application_token(door, "limited", access_rules=rules), 401)


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_token_is_no_good_once_it_expired_though_it_is_remembered(door: KeystoneServer) -> None:
    token = application_token(door, "brief", expires_at=in_seconds(3))
    assert who(token)["project_id"]
    before = door.asked()
    time.sleep(3.1)
    refused(token, 401)
    assert door.asked() == before
    client._token_cache.cache_clear()
    refused(token, 401)  # Keystone says the same
    assert door.asked() == before + 1


# --- no good -------------------------------------------------------------------------------
def test_what_is_no_token_of_keystones_is_refused(door: KeystoneServer) -> None:
    for text in ("gAAAAABnope", "notused", "x" * 300, '"', "%00"):
        said = refused(text, 401)
        assert said == "The token is unknown, expired or revoked."


@pytest.mark.parametrize("text", ["a\0b", "a\r\nX: y", "x" * 10_240, "é", "a b", "\x7f", "a\tb"])
def test_what_can_be_no_token_is_not_even_asked_for(door: KeystoneServer, text: str) -> None:
    before = door.asked()
    refused(text, 401)
    assert door.asked() == before


def test_a_challenge_names_keystone(door: KeystoneServer) -> None:
    assert ask("nope")["WWW-Authenticate"] == f'Keystone uri="{door.url}"'


def test_a_bad_token_is_not_asked_for_twice_at_once(door: KeystoneServer) -> None:
    before = door.asked()
    for _ in range(5):
        refused("gAAAAABunknown", 401)
    assert door.asked() == before + 1


def revoke(server: KeystoneServer, token: str) -> None:
    headers = {"X-Subject-Token": token}
    server.admin.delete(f"{server.url}/auth/tokens", headers=headers)


def test_a_revoked_token_is_good_until_it_is_forgotten(
    keystone: KeystoneServer, use: Callable[..., None]
) -> None:
    use(access(keystone, cache_s=2))
    token = keystone.token("member", project_name="p1")
    begun = time.monotonic()
    assert who(token)
    revoke(keystone, token)
    assert ask(token).status_code == (200 if time.monotonic() - begun < 2 else 401)
    time.sleep(2)
    refused(token, 401)


def test_without_a_cache_it_is_refused_at_once(
    keystone: KeystoneServer, use: Callable[..., None]
) -> None:
    use(access(keystone, cache_s=0))
    token = keystone.token("member", project_name="p1")
    assert who(token)
    revoke(keystone, token)
    refused(token, 401)


@pytest.mark.parametrize("kind", ["users", "projects"])
def test_who_is_switched_off_in_keystone_is_refused(
    keystone: KeystoneServer, use: Callable[..., None], kind: str
) -> None:
    use(access(keystone, cache_s=0))
    keystone.make_user(f"off-{kind}")
    project = keystone.make_project(f"off-{kind}")
    keystone.grant("member", f"off-{kind}", f"projects/{project}")
    token = keystone.token(f"off-{kind}", project_name=f"off-{kind}")
    assert who(token)
    what = f"{kind}/{keystone.find(kind, f'off-{kind}')}"
    keystone.call("PATCH", what, {kind[:-1]: {"enabled": False}})
    refused(token, 401)


# --- how often it is asked -----------------------------------------------------------------
def test_a_token_is_asked_for_once_however_many_bring_it(door: KeystoneServer) -> None:
    token = door.token("member", project_name="p1")
    before, logins = door.asked(), door.logins()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(who, [token] * 24))
    assert len({one["user_id"] for one in found}) == 1
    assert door.asked() == before + 1
    assert door.logins() == logins + 1  # the service user's


def test_a_lost_service_token_is_made_anew(door: KeystoneServer) -> None:
    who(door.token("member", project_name="p1"))
    cache = client.token_cache(access(door))
    ours = cache._ask.__self__._session.get_token()  # type: ignore[attr-defined]
    revoke(door, ours)
    assert who(door.token("reader", project_name="p1"))


# --- away ----------------------------------------------------------------------------------
def test_while_keystone_is_away_only_remembered_tokens_are_good(
    keystone: KeystoneServer, use: Callable[..., None], log: list[Any]
) -> None:
    use(access(keystone, cache_s=4))
    known, new = (keystone.token(name, project_name="p1") for name in ("member", "reader"))
    assert who(known)
    asked_at = time.monotonic()
    with away(keystone):
        said = refused(new, 503)
        assert said.startswith("Keystone gives no answer.")
        assert ask(known).status_code == 200, f"{time.monotonic() - asked_at} s"
        time.sleep(max(0, asked_at + 4 - time.monotonic()))
        refused(known, 503)
        refused(new, 503)
        assert logged(log, "callers with new tokens get 503") == 1
    time.sleep(client.PAUSE_S)
    assert who(known)
    assert who(new)
    assert logged(log, "Keystone answers again") == 1


def test_our_own_tokens_work_without_keystone(db: None, use: Callable[..., None]) -> None:
    text = token_of(make_people()["member"])
    use(KeystoneAccess(f"http://127.0.0.1:{free_port()}/v3", "telemetry", "secret"))
    assert who(text)["project_id"] == "p1"


# --- our own login -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong", [{"password": "wrong"}, {"username": "nobody"}, {"project_name": "p1"}]
)
def test_a_wrong_login_of_ours_is_our_fault_and_not_the_callers(
    keystone: KeystoneServer, use: Callable[..., None], log: list[Any],
    wrong: dict[str, str],
) -> None:  # fmt: skip
    use(access(keystone, **wrong))
    token, logins = keystone.token("member", project_name="p1"), keystone.logins()
    said = [refused(text, 503) for text in (token, token, "gAAAAABother")]
    assert set(said) == {f"Keystone refuses the login of this service. {CONSEQUENCE}"}
    assert keystone.logins() == logins + 1, "each try counts towards locking the account"
    assert logged(log, "Keystone refuses the login of this service.") == 1
    assert SERVICE_PASSWORD not in str(log)


def test_a_service_user_without_the_role_may_not_check_tokens(
    keystone: KeystoneServer, use: Callable[..., None], log: list[Any]
) -> None:
    use(access(keystone, username="member", password="member", project_name="p1"))
    said = refused(keystone.token("reader", project_name="p1"), 503)
    assert said.startswith("Keystone does not let this service check tokens.")
    assert logged(log, "Keystone does not let this service check tokens.") == 1


# --- TLS -----------------------------------------------------------------------------------
def test_keystones_certificate_is_checked(
    keystone: KeystoneServer, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no setting, and no variable of the environment, that leaves it out."""
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    token = keystone.token("member", project_name="p1")
    ca = str(keystone.certificates / "ca.pem")
    use(access(keystone, auth_url=keystone.tls_url, ca_file=ca))
    assert who(token)
    use(access(keystone, auth_url=keystone.tls_url))
    assert refused(token, 503).startswith("Keystone gives no answer.")
    use(access(keystone, auth_url=keystone.tls_url.replace("localhost", "127.0.0.1"), ca_file=ca))
    refused(token, 503)


# --- something that is not quite Keystone --------------------------------------------------
Answer = Callable[[Request, int, socket.socket], bytes]
LOGIN = json.dumps({"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "user": {"id": "us"}}})
GOOD = {"user": {"id": "u"}, "project": {"id": "p"}, "roles": [], "expires_at": "2099-01-01T00:00Z"}


def almost_keystone(answer: Answer) -> Answer:
    """Takes our login; what it says of tokens is up to `answer`."""
    login = answering(201, headers="X-Subject-Token: ours\r\n", body=LOGIN)
    return lambda request, *rest: (login if request.line.startswith("POST") else answer)(
        request, *rest
    )


def body_of(**changes: Any) -> str:
    return json.dumps({"token": GOOD | changes})


def test_the_stand_in_is_believed_when_it_answers_as_keystone_does(
    use: Callable[..., None],
) -> None:
    with receiver(almost_keystone(answering(200, body=body_of()))) as there:
        use_stand_in(use, there)
        assert who("token")["creator"] == "u:p"
        (question,) = [one for one in there.requests if one.line.startswith("GET")]
    assert question.line == "GET /v3/auth/tokens?nocatalog HTTP/1.1"
    assert question.headers["x-subject-token"] == "token"
    assert question.headers["x-auth-token"] == "ours"


def use_stand_in(use: Callable[..., None], there: Receiver, **changes: Any) -> None:
    url = f"http://127.0.0.1:{there.port}/v3"
    use(KeystoneAccess(url, "telemetry", "secret", **changes))


@pytest.mark.parametrize(
    "answer",
    [
        answering(200, body="<html>"), answering(200, body="[]"), answering(200, body="{}"),
        answering(200, body='{"token": []}'), answering(200, body='{"token": {}}'),
        answering(200, body=body_of(user=None)), answering(200, body=body_of(user={"id": 5})),
        answering(200, body=body_of(expires_at="soon")), answering(200, body=body_of(roles=[1])),
        answering(200, body=body_of(project=["p"])), answering(200, body=body_of(domain="d")),
        answering(404, body="<html>"), answering(404, body="{}"), answering(401), answering(403),
        answering(500), answering(502), answering(429, headers="Retry-After: 1\r\n"),
        answering(302, headers="Location: /v3/auth/tokens\r\n"), answering(204, body=""),
        lambda *_: b"", lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        lambda *_: b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("at_login", [False, True])
def test_nonsense_is_no_verdict(
    use: Callable[..., None], answer: Answer, at_login: bool
) -> None:  # fmt: skip
    """Above all not "this token is bad": the caller would throw it away."""
    with receiver(answer if at_login else almost_keystone(answer)) as there:
        use_stand_in(use, there)
        refused("token", 503)


@pytest.mark.parametrize("project", ["p:q", "p\0", "p" * 256])
def test_an_id_that_can_t_be_used_is_no_caller(use: Callable[..., None], project: str) -> None:
    with receiver(almost_keystone(answering(200, body=body_of(project={"id": project})))) as there:
        use_stand_in(use, there)
        refused("token", 401)


def test_tokens_do_not_follow_a_redirect(use: Callable[..., None]) -> None:
    with receiver(answering(200, body=body_of())) as elsewhere:
        redirect = answering(302, headers=f"Location: {elsewhere.url()}\r\n")
        for answer in (redirect, almost_keystone(redirect)):
            with receiver(answer) as there:
                use_stand_in(use, there)
                refused("token", 503)
        assert elsewhere.connections == 0


def test_tokens_go_through_no_proxy(
    use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver(answering(500)) as proxy, receiver(almost_keystone(answering(404))) as there:
        monkeypatch.setenv("http_proxy", proxy.url("/"))
        monkeypatch.setenv("no_proxy", "")
        use_stand_in(use, there)
        refused("token", 503)
        assert proxy.connections == 0
        assert len(there.requests) == 2


def test_a_keystone_that_hangs_holds_one_thread(use: Callable[..., None]) -> None:
    """The first ones wait for the time limit; from then on one at a time does."""
    ended = threading.Event()

    def hang(*_: Any) -> bytes:
        ended.wait(30)
        return b""

    with receiver(hang) as there:
        use_stand_in(use, there, timeout_s=0.5)
        refused("first", 503)
        time.sleep(client.PAUSE_S)
        with ThreadPoolExecutor(8) as pool:
            took = sorted(pool.map(seconds_for, [f"token{n}" for n in range(8)]))
        ended.set()
    assert sum(one >= 0.5 for one in took) == 1, took


def seconds_for(token: str) -> float:
    begun = time.monotonic()
    refused(token, 503)
    return time.monotonic() - begun


# --- logs ----------------------------------------------------------------------------------
def test_no_log_has_a_token_or_the_password(
    keystone: KeystoneServer, use: Callable[..., None], caplog: pytest.LogCaptureFixture,
    log: list[Any],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "keystoneauth")
    caplog.set_level(logging.DEBUG, "urllib3")
    use(access(keystone))
    token, other = (keystone.token(name, project_name="p1") for name in ("member", "reader"))
    caplog.clear()
    who(token)
    ours = client.token_cache(access(keystone))._ask.__self__._session.get_token()  # type: ignore[attr-defined]
    with away(keystone):
        refused(other, 503)
    assert "GET /v3/auth/tokens" in caplog.text, "else nothing was listened to"
    assert logged(log, "callers with new tokens get 503") == 1
    for secret in (token, other, ours, SERVICE_PASSWORD):
        assert secret not in caplog.text
        assert secret not in str(log)


def test_settings_differ_so_each_has_its_own_cache(door: KeystoneServer) -> None:
    one = client.token_cache(access(door))
    assert client.token_cache(access(door)) is one
    assert client.token_cache(replace(access(door), cache_s=1)) is not one
