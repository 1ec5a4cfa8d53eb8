# ruff: noqa: RUF001
"""The outbound guard: what a URL is, where it may lead (reliability.md 5.3.1, by its numbers)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from telemetry_site.outbound import OutboundError, guard, judged, parse
from telemetry_site.settings.allowances import parse_allowance


def verdict(url: str, project_id: str | None = "p1") -> str:
    try:
        judged(parse(url), project_id)
    except OutboundError as error:
        return error.kind
    return "ok"


@pytest.fixture(autouse=True)
def _closed(settings: Any) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/",  # 1-4
        "http://0.0.0.0/", "http://[::]/",  # 9
        "http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://x.localhost/",  # 10
        "http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/",  # 12
        "http://100.100.100.200/", "http://168.63.129.16/", "http://[fd00:ec2::254]/",  # 13
        "http://metadata.google.internal/",
        "http://100.64.0.1/", "http://198.18.0.1/", "http://192.0.2.1/", "http://240.0.0.1/",  # 14
        "http://255.255.255.255/", "http://192.88.99.1/", "http://192.0.0.8/",
        "http://224.0.0.1/", "http://[ff02::1]/",  # 15
        "http://[::1]/",  # 16
        "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:a9fe:a9fe]/",  # 17
        "http://[::127.0.0.1]/",  # 18
        "http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::7f00:1]/",  # 19
        "http://[2002:7f00:1::]/", "http://[2001:0:7f00:1::]/",  # 20
        "http://[fc00::1]/", "http://[fec0::1]/", "http://[3fff::1]/", "http://[5f00::1]/",  # 22
        "http://127.0.0.1#@hook.example/", "http://127.0.0.1?@hook.example/",  # 25
        "http://127.0.0.1:080/", "http://127.0.0.1:/",  # 36, once normalised
    ],
)  # fmt: skip
def test_forbidden_addresses(url: str) -> None:
    assert verdict(url) == "forbidden_address"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1/", "http://1.2.3/",  # 5
        "http://2130706433/",  # 6
        "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0xa9fea9fe/",  # 7
        "http://017700000001/", "http://0177.0.0.1/", "http://0300.0250.0.1/",  # 8
        "http://0/",  # 9
        "http://127.0.0.1./",  # 11
        "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/",  # 21
        "http://hook.example\\@127.0.0.1/", "http://127.0.0.1\\@hook.example/",  # 24
        "http://①②⑦.⓪.⓪.①/", "http://ｌocalhost/", "http://127。0。0。1/",  # 26
        "http://ex%61mple.com/", "http://127.0.0.1%00.hook.example/",  # 27
        "http://xn--/", f"http://{'a' * 64}.example/", f"http://{'a.' * 126}example/",  # 29
        "ht\ntp://127.0.0.1/", "\thttp://127.0.0.1/", "http://hook.example/\r", " http://a.example",
        "http://hook.example/a\r\nHost: x", "http://hook.example/a b",  # 31
        "http:///127.0.0.1/", "http:127.0.0.1/", "//127.0.0.1/", "",  # 32
        "http://[::1", "http://[::1]x/", "http://[1.2.3.4]/", "http://[v1.x]/",  # 33
        "http:///run/x.sock", "/run/x.sock",  # 35
        "http://a.example:0/", "http://a.example:-1/", "http://a.example:65536/",  # 36
        "http://a.example:8０/", "http://a.example:99999999999999999999/",
        f"http://a.example/{'a' * 2048}", "http://a.example/ü", "http://a.example/\x7f",
        "http://a_-.example/\udc80",
    ],
)  # fmt: skip
def test_urls_that_are_none_or_read_two_ways(url: str) -> None:
    assert verdict(url) == "bad_url"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pw@hook.example/", "http://hook.example@127.0.0.1/",
        "http://hook.example%2f@127.0.0.1/", "http://@hook.example/",
    ],
)  # fmt: skip
def test_23_user_and_password(url: str) -> None:
    assert verdict(url) == "userinfo"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "ftp://a.example/", "dict://a:1/",
        "ldap://a.example/", "data:text/plain,x", "javascript:alert(1)",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "unix:/run/x.sock",
    ],
)  # fmt: skip
def test_34_35_schemes(url: str) -> None:
    assert verdict(url) == "scheme"


@pytest.mark.parametrize("port", sorted(guard.FORBIDDEN_PORTS))
def test_37_ports_that_speak_no_http(port: int) -> None:
    assert verdict(f"http://93.184.216.34:{port}/") == "port"


def test_public_addresses_are_fine() -> None:
    assert verdict("http://93.184.216.34/") == "ok"
    assert verdict("https://93.184.216.34:8443/a?b=c") == "ok"
    assert verdict("http://[2606:4700::1111]/") == "ok"
    assert verdict("http://[::ffff:93.184.216.34]/") == "ok"


def test_28_a_name_beyond_ascii_is_converted_once() -> None:
    assert parse("http://ß.example/").host == "xn--zca.example"
    assert parse("http://раypal.example/").host == "xn--ypal-43d9g.example"


def test_what_is_sent_is_what_was_written() -> None:
    target = parse("HTTP://Hook.Example:080/a/../b%2F?c=d&e#f")
    assert target == ("http", "hook.example", 80, "/a/../b%2F?c=d&e")
    assert target.authority == "hook.example"
    assert parse("https://hook.example:8443?x").path == "/?x"
    assert parse("https://[2606:4700::1111]:444").authority == "[2606:4700::1111]:444"


class TestAllowances:
    def test_45_a_network_for_one_project(self, settings: Any) -> None:
        settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("10.1.0.0/16@p1")]
        assert verdict("http://10.1.2.3/", "p1") == "ok"
        assert verdict("http://[::ffff:10.1.2.3]/", "p1") == "ok"
        assert verdict("http://10.1.2.3/", "p2") == "forbidden_address"
        assert verdict("http://10.1.2.3/", None) == "forbidden_address"
        assert verdict("http://10.2.0.1/", "p1") == "forbidden_address"
        settings.TELEMETRY_WEBHOOK_ALLOW = []
        assert verdict("http://10.1.2.3/", "p1") == "forbidden_address"

    def test_one_port(self, settings: Any) -> None:
        settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.1:9099")]
        assert verdict("http://127.0.0.1:9099/x") == "ok"
        assert verdict("http://localhost:9099/x") == "ok"
        assert verdict("http://127.0.0.1:8000/x") == "forbidden_address"
        assert verdict("http://127.0.0.2:9099/x") == "forbidden_address"

    def test_12_metadata_stays_shut(self, settings: Any) -> None:
        settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("0.0.0.0/0"), parse_allowance("::/0")]
        for url in ("http://169.254.169.254/", "http://[fd00:ec2::254]/",
                    "http://100.100.100.200/",
                    "http://[::ffff:a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/",
                    "http://[64:ff9b::a9fe:a9fe]/",
                    "http://metadata.google.internal/"):  # fmt: skip
            assert verdict(url) == "forbidden_address"

    @pytest.mark.parametrize(
        ("entry", "parsed"),
        [
            ("10.0.0.0/8", ("10.0.0.0/8", None, None)),
            ("10.0.0.1:80@a:b@c", ("10.0.0.1/32", 80, "a:b@c")),
            ("fd00::/8@p", ("fd00::/8", None, "p")),
            ("[fd00::/8]:8080", ("fd00::/8", 8080, None)),
        ],
    )
    def test_entries(self, entry: str, parsed: tuple[str, int | None, str | None]) -> None:
        network, port, project = parse_allowance(entry)
        assert (str(network), port, project) == parsed

    @pytest.mark.parametrize("entry", ["", "hook.example", "10.0.0.1/8", "10.0.0.0/40", "::1:x"])
    def test_an_entry_that_cant_be_read_is_quoted(self, entry: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=f"TELEMETRY_WEBHOOK_ALLOW: '{entry}'"):
            parse_allowance(entry)


def test_46_our_own_names_and_addresses(settings: Any) -> None:
    settings.SITE_URL = "https://telemetry.example"
    settings.ALLOWED_HOSTS = ["93.184.216.34"]
    assert verdict("http://93.184.216.34/") == "forbidden_address"
    assert verdict("http://93.184.216.35/") == "ok"


def test_verdicts_do_not_lean_on_this_pythons_library() -> None:
    """What `is_global` calls public and is not."""
    for text in ("224.0.0.1", "192.88.99.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1"):
        assert not guard._is_public(ip_address(text))


@pytest.mark.parametrize("url", ["http://127.0.0.1:22/", "http://10.0.0.1/", "http://[::1]/"])
def test_48_words_do_not_tell_what_lies_there(url: str) -> None:
    with pytest.raises(OutboundError) as caught:
        judged(parse(url), "p1")
    assert "127.0.0.1" not in caught.value.detail
    assert caught.value.is_final
