"""TELEMETRY_KEYSTONE_… and the two ways in that believe: wrong settings are told in a sentence."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from telemetry_site import trust
from telemetry_site.checks import check_callers
from telemetry_site.settings.allowances import parse_networks
from telemetry_site.settings.keystone import KeystoneAccess, check_keystone, refuse_contradiction

GOOD = KeystoneAccess("https://keystone.example.org:5000", "telemetry", "the password")


@pytest.mark.parametrize("ending", ["", "/", "/v3", "/v3/"])
def test_the_url_may_end_in_v3_or_not(ending: str) -> None:
    for root in ("https://k.example:5000", "http://k.example/identity"):
        checked = check_keystone(replace(GOOD, auth_url=root + ending))
        assert checked
        assert checked.auth_url == f"{root}/v3"


def test_without_a_url_there_is_no_keystone() -> None:
    assert check_keystone(KeystoneAccess("", "", "")) is None


def test_the_password_is_not_shown() -> None:
    assert GOOD.username in repr(GOOD)
    assert GOOD.password not in repr(GOOD)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"auth_url": "keystone:5000"}, "AUTH_URL is no URL"),
        ({"auth_url": "ftp://k/v3"}, "AUTH_URL is no URL"),
        ({"auth_url": "http:///v3"}, "AUTH_URL is no URL"),
        ({"auth_url": "http://u:secret@k/v3"}, "AUTH_URL is no URL"),
        ({"auth_url": "http://[::1/v3"}, "AUTH_URL is no URL"),
        ({"auth_url": "http://k:port/v3"}, "AUTH_URL is no URL"),
        ({"auth_url": "http://k/v3?x"}, "AUTH_URL is no URL"),
        ({"username": ""}, "USERNAME is missing"),
        ({"password": ""}, "PASSWORD is missing"),
        ({"project_name": ""}, "PROJECT_NAME is missing"),
        ({"ca_file": "/no/such/file"}, "CACERT: there is no file /no/such/file"),
        ({"timeout_s": 0}, "TIMEOUT must be"),
        ({"timeout_s": 61}, "TIMEOUT must be"),
        ({"timeout_s": float("nan")}, "TIMEOUT must be"),
        ({"cache_s": -1}, "CACHE_SECONDS must be"),
        ({"cache_s": 61}, "CACHE_SECONDS must be"),
    ],
)
def test_a_wrong_one_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^TELEMETRY_KEYSTONE_{said}") as caught:
        check_keystone(replace(GOOD, **wrong))
    assert "secret" not in str(caught.value)
    assert GOOD.password not in str(caught.value)


@pytest.mark.parametrize(
    ("basic", "noauth", "named"),
    [
        (True, False, "^TELEMETRY_BASIC_AUTH can't"),
        (False, True, "^TELEMETRY_NOAUTH can't"),
        (True, True, "^TELEMETRY_BASIC_AUTH and TELEMETRY_NOAUTH can't"),
    ],
)
def test_one_door_does_not_check_and_believe(basic: bool, noauth: bool, named: str) -> None:
    believing = {"TELEMETRY_BASIC_AUTH": basic, "TELEMETRY_NOAUTH": noauth}
    with pytest.raises(ImproperlyConfigured, match=named):
        refuse_contradiction(GOOD, believing)
    refuse_contradiction(None, believing)


def test_either_alone_is_no_contradiction() -> None:
    refuse_contradiction(GOOD, {"TELEMETRY_BASIC_AUTH": False, "TELEMETRY_NOAUTH": False})


def test_networks_are_read_or_quoted() -> None:
    assert parse_networks("N", ["10.0.0.0/8", " ::1 "]) == [
        ip_network("10.0.0.0/8"), ip_network("::1"),
    ]  # fmt: skip
    assert parse_networks("N", []) == []
    for wrong in ("10.0.0.1/8", "localhost", "", "0"):
        with pytest.raises(ImproperlyConfigured, match=r"^N: '.*' is no network"):
            parse_networks("N", [wrong])


# --- what is said at start and by `manage.py check --deploy` --------------------------------
def test_a_usual_installation_is_told_nothing(settings: Any) -> None:
    settings.TELEMETRY_KEYSTONE = GOOD
    assert trust.warnings() == []
    assert check_callers() == []


def test_who_is_believed_is_told_plainly(settings: Any) -> None:
    settings.TELEMETRY_BASIC_AUTH = settings.TELEMETRY_NOAUTH = True
    settings.TELEMETRY_NOAUTH_NETWORKS = [ip_network("10.0.0.0/8"), ip_network("::1")]
    assert trust.warnings() == [
        f"{name} is set: whoever reaches the port from 10.0.0.0/8, ::1/128 is whoever he says, "
        "administrators too."
        for name in ("TELEMETRY_BASIC_AUTH", "TELEMETRY_NOAUTH")
    ]
    assert [(found.id, found.msg) for found in check_callers()] == [
        ("telemetry.W002", text) for text in trust.warnings()
    ]


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("http://keystone:5000/v3", True),
        ("https://keystone:5000/v3", False),
        ("http://127.0.0.1:5000/v3", False),
        ("http://localhost/v3", False),
        ("http://[::1]:5000/v3", False),
    ],
)
def test_clear_text_over_a_network_is_told(settings: Any, url: str, is_told: bool) -> None:
    settings.TELEMETRY_KEYSTONE = replace(GOOD, auth_url=url)
    assert any("clear text" in text for text in trust.warnings()) is is_told
