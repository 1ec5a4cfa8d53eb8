"""What the setting and URLs ask for, and what is said of slips."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from pollers.publishers.errors import TargetError
from pollers.publishers.targets import of_settings, remarks, target_of

SECRET = "pw-not-to-be-seen"


def test_names_urls_and_commas_within_urls(settings: Any) -> None:
    settings.TELEMETRY_PUBLISHERS = [
        "lan=udp://10.0.0.1", "notifier://u:p@h/vhost?topic=a", "topic=b", "x.1=file:///tmp/a=b",
    ]  # fmt: skip
    targets, wrong = of_settings()

    assert wrong == []
    assert [one.name for one in targets[::2]] == ["lan", "x.1"]
    assert targets[1].name.startswith("notifier-h-")
    assert targets[1].address.url == "notifier://u:p@h/vhost?topic=a,topic=b"
    assert all(one.gets_all for one in targets)


def test_every_slip_is_told_without_its_secrets(settings: Any) -> None:
    settings.TELEMETRY_PUBLISHERS = [
        f"a=kaffka://u:{SECRET}@h", f"b=https://u:{SECRET}@h/?verify_ssl=/no/such/file", "a=udp://h",
        "a=udp://i", f"prometheus://u:{SECRET}@h:9091/somewhere", "plain text",
    ]  # fmt: skip
    targets, wrong = of_settings()

    assert [one.name for one in targets] == ["a"]
    assert wrong == [
        "a: there is no publisher 'kaffka'",
        "b: verify_ssl='/no/such/file' is no file",
        "a: stands there twice",
        "prometheus: the URL is too long, or holds a space or a control character",
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("udp://", "the host is missing"),
        ("udp://h:0x5", "has no port"),
        ("file:///", "is a directory"),
        ("file:///tmp/x?max_bytes=-1", "max_bytes"),
        ("https://h/?verify_ssl=maybe", "is no file"),
        ("http://h/ b", "a space"),
        ("https://h/?clientcert=/no/file", "is no file"),
        ("prometheus://h/metrics/job/", "/metrics/job/NAME"),
        ("notifier://h?driver=kafka", "kafka://"),
        ("nothing", "is not the URL"),
        ("h://x", "there is no publisher 'h'"),
        ("udp://h:0", "has no port from 1"),
        ("tcp://h:65536", "has no port from 1"),
        ("udp://a..b", "the host is no name"),
        (f"tcp://{'x' * 64}.example", "the host is no name"),
        ("kafka://h:65536/?topic=a", "has no port from 1"),
        ("kafka://h:x/?topic=a", "has no port from 1"),
        ("http://h:99999/", "port"),
        ("https://h/?clientkey=/etc/hostname", "clientkey belongs to a clientcert"),
        ("https://h/?verify_ssl=/etc/hostname", "verify_ssl, clientcert or clientkey: "),
        ("http://[::1/", "can't be read"),
    ],
)
def test_an_address_that_can_not_be_used(url: str, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        target_of(url)


@pytest.mark.parametrize("scheme", ["udp", "tcp", "http", "kafka", "notifier"])
@pytest.mark.parametrize("letter", "/?#@")
def test_a_password_that_is_not_escaped_is_not_shown(
    settings: Any, scheme: str, letter: str
) -> None:
    """What stands before its slash reads as a port."""
    settings.TELEMETRY_PUBLISHERS = [f"{scheme}://user:se{letter}cret@h:9092/metrics?topic=a"]
    targets, wrong = of_settings()

    assert "se" not in "".join(wrong).replace("user", "").replace("password", "")
    assert "cret" not in "".join([*wrong, *(one.address.shown for one in targets)])
    assert len(targets) + len(wrong) == 1


def test_what_is_no_url_at_all_is_not_shown(settings: Any) -> None:
    settings.TELEMETRY_PUBLISHERS = [f"user:{SECRET}@host:5672"]

    assert of_settings()[1] == [
        "TELEMETRY_PUBLISHERS: what stands there is not the URL of a publisher"
    ]


def test_nobody_is_asked_for_the_password_of_a_key(tmp_path: Path) -> None:
    key, certificate = tmp_path / "a.key", tmp_path / "a.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=a",
         "-passout", "pass:secret", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip

    with pytest.raises(TargetError, match="verify_ssl, clientcert or clientkey: "):
        target_of(f"https://h/?clientcert={certificate}&clientkey={key}")


def test_a_login_of_a_notifier_is_the_urls_whatever_its_options_hold() -> None:
    sink: Any = target_of("notifier://u%40x:p%2F@h/v?topic=a@b").sink()

    assert sink._bus.url == "amqp://u%40x:p%2F@h:5672/v"


def test_a_login_may_be_a_password_alone() -> None:
    sink: Any = target_of("http://:token@h/").sink()

    assert sink._headers["Authorization"] == f"Basic {b64encode(b':token').decode()}"


def test_what_would_come_back_is_refused(settings: Any) -> None:
    settings.TELEMETRY_NOTIFICATION_URLS = ["rabbit://a:b@bus:5672/v"]
    settings.TELEMETRY_NOTIFICATION_TOPICS = ["notifications", "metering"]

    with pytest.raises(TargetError, match="we listen to metering there"):
        target_of("notifier://x:y@bus/v")
    target_of("notifier://x:y@bus/v?topic=others")
    target_of("notifier://x:y@bus/w")


def test_passwords_are_not_shown_and_options_without_effect_are_named() -> None:
    target = target_of(f"http://u:{SECRET}@h/in?max_retries=2&a=b&token={SECRET}")

    assert SECRET not in target.address.shown
    assert SECRET not in target.name
    assert remarks(target) == ["max_retries has no effect"]
    assert remarks(target_of("udp://h?policy=drop")) == ["policy has no effect"]
    sink: Any = target.sink()
    assert sink.url == f"http://h/in?a=b&token={SECRET}"
