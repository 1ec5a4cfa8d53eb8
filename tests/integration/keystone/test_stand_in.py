"""Something that is not quite Keystone, or is in no state that a real one can be brought into."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import pytest

from telemetry_site.auth import keystone as client
from telemetry_site.settings.keystone import KeystoneAccess
from tests.integration.keystone.asking import refused, who
from tests.support.webhooks import Receiver, Request, answering, receiver
from tests.support.who import URLS

pytestmark = pytest.mark.urls(URLS)


Answer = Callable[[Request, int, socket.socket], bytes]
LOGIN = json.dumps({"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "user": {"id": "us"}}})
GOOD = {"user": {"id": "u"}, "project": {"id": "p"}, "roles": [], "expires_at": "2099-01-01T00:00Z"}


login = answering(201, headers="X-Subject-Token: ours\r\nConnection: close\r\n", body=LOGIN)


def almost_keystone(answer: Answer, login: Answer = login) -> Answer:
    """Takes our login; what it says of tokens is up to `answer`."""
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


NO_SENSE = [
    answering(200, body="<html>"), answering(200, body="[]"), answering(200, body="{}"),
    answering(200, body='{"token": []}'), answering(200, body='{"token": {}}'),
    answering(200, body=body_of(user=None)), answering(200, body=body_of(user={"id": 5})),
    answering(200, body=body_of(expires_at="soon")), answering(200, body=body_of(roles=[1])),
    answering(200, body=body_of(project=["p"])), answering(200, body=body_of(domain="d")),
    answering(404, body="<html>"), answering(404, body="{}"), answering(204, body=""),
    answering(429, headers="Retry-After: 1\r\n"),
    answering(302, headers="Location: /v3/auth/tokens\r\n"),
]  # fmt: skip
NOTHING = [
    answering(500), answering(502), answering(503, headers="Retry-After: 1\r\n"),
    lambda *_: b"", lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
    lambda *_: b"SSH-2.0-OpenSSH_9.2\r\n",
]  # fmt: skip
REFUSALS = [answering(401), answering(403)]
ANSWERS = (
    [(answer, client.NOT_UNDERSTOOD) for answer in NO_SENSE]
    + [(answer, client.NO_ANSWER) for answer in NOTHING]
    + list(zip(REFUSALS, [client.LOGIN_REFUSED, client.NOT_ALLOWED], strict=True))
)


@pytest.mark.parametrize(("answer", "sentence"), ANSWERS)
@pytest.mark.parametrize("at_login", [False, True])
def test_nonsense_is_no_verdict(
    use: Callable[..., None], answer: Answer, sentence: str, at_login: bool
) -> None:
    """Above all not "this token is bad": the caller would throw it away."""
    with receiver(answer if at_login else almost_keystone(answer)) as there:
        use_stand_in(use, there)
        assert refused("token", 503).startswith(sentence)


def test_a_connection_that_broke_is_tried_once_more(use: Callable[..., None]) -> None:
    """Keystone closes connections that lay idle, it may be while we send."""
    known, asked = answering(200, body=body_of()), []

    def breaks_once(request: Request, *rest: Any) -> bytes:
        asked.append(request.line)
        return known(request, *rest) if len(asked) > 1 else b""

    with receiver(almost_keystone(breaks_once)) as there:
        use_stand_in(use, there)
        assert who("token")["creator"] == "u:p"
    assert len(asked) == 2


def test_a_login_that_broke_is_tried_once_more(use: Callable[..., None]) -> None:
    logins = []

    def breaks_once(request: Request, *rest: Any) -> bytes:
        logins.append(request.line)
        return login(request, *rest) if len(logins) > 1 else b""

    known = answering(200, body=body_of())
    with receiver(almost_keystone(known, login=breaks_once)) as there:
        use_stand_in(use, there)
        assert who("token")["creator"] == "u:p"
    assert len(logins) == 2


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
    ended, asked = threading.Event(), []

    def hang(*_: Any) -> bytes:
        asked.append(time.monotonic())
        ended.wait(30)
        return b""

    with receiver(hang) as there:
        use_stand_in(use, there, timeout_s=4)
        refused("first", 503)
        assert len(asked) == 1
        time.sleep(client.PAUSE_S)
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(refused, f"token{n}", 503) for n in range(8)]
            for done in itertools.islice(as_completed(calls), 7):
                done.result()
            assert sum(not call.done() for call in calls) == 1  # the seven did not wait for it
        ended.set()
    assert len(asked) == 2
