"""URLs of SNMP hosts: what they mean, and that nothing told of them holds a secret."""

from __future__ import annotations

import pytest

from pollers.central.snmp.address import AddressError, SnmpAddress, parse_address

SECRET = "pw-not-to-be-seen"


def test_without_a_user_it_is_version_2_and_public() -> None:
    address = parse_address("snmp://10.0.0.1")
    assert (address.host, address.port, address.user) == ("10.0.0.1", 161, "public")
    assert not address.is_v3
    assert address.shown == "snmp://10.0.0.1"


def test_a_user_alone_is_the_community() -> None:
    address = parse_address(f"snmp://{SECRET}%40room@Switch-1:1161/")
    assert (address.host, address.port, address.user) == ("switch-1", 1161, f"{SECRET}@room")
    assert not address.is_v3
    assert address.shown == "snmp://switch-1:1161"


def test_a_password_makes_it_version_3() -> None:
    address = parse_address("snmp://reader:long%2Fenough@[fd00::1]?priv_password=also%20long")
    assert address.is_v3
    assert (address.user, address.password) == ("reader", "long/enough")
    assert (address.auth_proto, address.priv_proto) == ("md5", "des")
    assert address.priv_password == "also long"
    assert address.shown == "snmp://[fd00::1]"


def test_protocols_are_named_in_either_case() -> None:
    address = parse_address(
        "snmp://u:password8@h?auth_proto=SHA256&priv_proto=AES&priv_password=password9"
    )
    assert (address.auth_proto, address.priv_proto) == ("sha256", "aes")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"snmp://{SECRET}/x@h", "it has no host|something follows the host"),
        (f"snmp://u:{SECRET}/x@h", "host or port is not right"),
        (f"snmp://{SECRET}@", "it has no host"),
        (f"snmp://{SECRET}@h:99999", "host or port is not right"),
        (f"snmp://{SECRET}@h:0", "port 0"),
        (f"snmp://{SECRET}@[::1", "host or port is not right"),
        (f"snmp://{SECRET}@h/path", "something follows the host"),
        (f"snmp://{SECRET}@h#x", "something follows the host"),
        (f"http://{SECRET}@h", "it has no host"),
        (f"snmp://{SECRET}@h?auth_proto=md5", "snmp://h: auth_proto is for version 3"),
        ("snmp://u:short@h", "snmp://h: the password has less than the 8 characters"),
        (f"snmp://u:{SECRET}@h?priv_password=x", "snmp://h: priv_password has less than the 8"),
        (f"snmp://u:{SECRET}@h?priv_proto=aes", "snmp://h: priv_proto without priv_password"),
        (f"snmp://u:{SECRET}@h?auth_proto={SECRET}", "snmp://h: auth_proto is none of md5, sha,"),
        (f"snmp://u:{SECRET}@h?context=x", "snmp://h: there is no option 'context', but auth_"),
    ],
)
def test_what_cannot_be_used_is_told_without_its_secrets(url: str, said: str) -> None:
    with pytest.raises(AddressError, match=said) as told:
        parse_address(url)
    assert SECRET not in str(told.value)
    assert "short" not in str(told.value)


def test_an_address_shows_no_secret() -> None:
    address = SnmpAddress("h", user=SECRET, password=SECRET, priv_password=SECRET)
    assert SECRET not in f"{address!r} {address} {address.shown}"
