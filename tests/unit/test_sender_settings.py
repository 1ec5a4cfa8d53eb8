"""Settings of senders: wrong ones are told in one sentence, without what is secret in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from telemetry_site.settings import senders
from telemetry_site.settings.certificates import check_ca_file, check_certificate
from tests.support.tls import make_certificates


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [
        ("smtp://mail.example", 25, False, False),
        ("smtp+tls://us:p%40ss@mail.example", 587, True, False),
        ("smtp+ssl://us:p%40ss@mail.example", 465, False, True),
        ("smtp+tls://us:p%40ss@mail.example:2525", 2525, True, False),
    ],
)
def test_a_mail_server(url: str, port: int, tls: bool, ssl: bool) -> None:
    found = senders.mail_server(url)
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example", port)
    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (tls, ssl)
    assert found["EMAIL_HOST_PASSWORD"] == ("p@ss" if "@" in url else "")


def test_no_mail_server() -> None:
    assert senders.mail_server("")["EMAIL_HOST"] == ""


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        (senders.mail_server, "http://us:secret@mail.example", "EMAIL_URL is no mail server"),
        (senders.mail_server, "smtp://us:secret@mail.example:x", "EMAIL_URL is no mail server"),
        (senders.mail_server, "secret", "EMAIL_URL is no mail server"),
        (senders.check_sender, "nobody", "TELEMETRY_MAIL_FROM is 'nobody'"),
        (senders.check_sender, "a@b.example\nBcc: c@d.example", "TELEMETRY_MAIL_FROM"),
        (senders.check_secrets, ["plain", "whsec_not secret!"], "number 2 begins with whsec_"),
        (senders.check_bus, "http://us:secret@bus.example", "TELEMETRY_ALARM_BUS_URL is no bus"),
        (lambda path: check_ca_file("X_CA", path), "/nowhere.pem", "X_CA is /nowhere.pem, which"),
        (lambda path: check_certificate("X", path, ""), "/nowhere.pem", "X_CERT_FILE is /nowhere"),
        (lambda path: check_certificate("X", "", path), "/k.pem", "X_KEY_FILE is set without"),
    ],
)  # fmt: skip
def test_wrong_ones(check: Callable[[Any], Any], value: Any, words: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        check(value)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_files(tmp_path: Path) -> None:
    home = make_certificates(tmp_path)
    good, key, other = (str(home / name) for name in ("good.pem", "good.key", "other.key"))
    assert check_ca_file("X_CA", good) == good
    assert check_certificate("X", good, key) == (good, key)
    with pytest.raises(ImproperlyConfigured, match="can't be used"):
        check_certificate("X", good, other)
    with pytest.raises(ImproperlyConfigured, match="can't be used"):
        check_ca_file("X_CA", key)
