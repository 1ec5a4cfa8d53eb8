"""A real Keystone that is away, refuses us, or cannot prove who it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from telemetry_site.auth import keystone as client
from telemetry_site.settings.keystone import KeystoneAccess
from tests.api.people import make_people, token_of
from tests.integration.keystone.asking import ask, away, logged, refused, who
from tests.keystone import SERVICE_PASSWORD, KeystoneServer, access
from tests.support.ports import free_port
from tests.support.who import URLS

CONSEQUENCE = "So nobody can say who you are; try again later."
pytestmark = [pytest.mark.keystone, pytest.mark.urls(URLS)]


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
@pytest.fixture
def authority(keystone: KeystoneServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The file of Keystone's CA, which the system does not know."""
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return str(keystone.certificates / "ca.pem")


def test_keystones_certificate_is_checked(
    keystone: KeystoneServer, use: Callable[..., None], authority: str
) -> None:
    """By its authority and by its name."""
    token = keystone.token("member", project_name="p1")
    use(access(keystone, auth_url=keystone.tls_url, ca_file=authority))
    assert who(token)
    use(access(keystone, auth_url=keystone.tls_url))
    assert refused(token, 503).startswith(client.NO_ANSWER)
    by_address = keystone.tls_url.replace("localhost", "127.0.0.1")
    use(access(keystone, auth_url=by_address, ca_file=authority))
    assert refused(token, 503).startswith(client.NO_ANSWER)


def test_no_variable_of_requests_leaves_the_check_out_or_changes_it(
    keystone: KeystoneServer, use: Callable[..., None], authority: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, authority)
    use(access(keystone, auth_url=keystone.tls_url))
    refused(keystone.token("member", project_name="p1"), 503)


def test_the_systems_authorities_count_where_no_file_is_named(
    keystone: KeystoneServer, use: Callable[..., None], authority: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", authority)  # where OpenSSL looks for the system's
    use(access(keystone, auth_url=keystone.tls_url))
    assert who(keystone.token("member", project_name="p1"))


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
    use(access(keystone, auth_url=f"http://127.0.0.1:{free_port()}/v3"))
    refused(other, 503)
    assert "GET /v3/auth/tokens" in caplog.text, "else nothing was listened to"
    assert logged(log, "callers with new tokens get 503") == 1
    for secret in (token, other, ours, SERVICE_PASSWORD):
        assert secret not in caplog.text
        assert secret not in str(log)
