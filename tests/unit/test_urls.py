"""URLs without their secrets."""

from __future__ import annotations

import pytest

from pollers.urls import file_name, without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("qemu:///system", "qemu:///system"),
        (
            "qemu:///system?socket=/run/libvirt/libvirt-sock",
            "qemu:///system?socket=/run/libvirt/libvirt-sock",
        ),
        ("http://user:pw-not-to-be-seen@node:9100/metrics", "http://node:9100/metrics"),
        ("http://[::1]:9100/metrics", "http://[::1]:9100/metrics"),
        ("http://node/probe?target=a&module=icmp", "http://node/probe?target=a&module=icmp"),
        (
            "opendaylight.v2://127.0.0.1:8080/c?auth=basic&user=admin&password=pw-not-to-be-seen",
            "opendaylight.v2://127.0.0.1:8080/c?auth=***&user=***&password=***",
        ),
        ("http://node/m?api_key=pw-not-to-be-seen&x=1", "http://node/m?api_key=***&x=1"),
        ("http://node/m#pw-not-to-be-seen", "http://node/m"),
        ("http://pw-not-to-be-seen@[::1/", "http:***"),
        ("", "://"),
    ],
)
def test_what_tells_sources_apart_stays_and_secrets_go(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_file_names_of_different_urls_differ_and_hold_nothing_odd() -> None:
    one, other = file_name("http://a/b?c"), file_name("http://a/b/c")
    assert one != other
    assert set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
