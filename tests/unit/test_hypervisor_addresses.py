"""Addresses of libvirt that are refused, and the words for what libvirt refuses."""

from __future__ import annotations

from typing import Any

import pytest

from pollers.batch import BatchBuilder
from pollers.compute.addresses import advice, refusal
from pollers.compute.sources import ComputeSources
from pollers.polls import run_poll


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu:///system?socket=/run/libvirt/libvirt-sock-ro",
        "qemu+tls://host.example/system",
        "qemu+ssh://user@host.example/system?no_verify=0",
        "lxc:///",
        "test:///default",
    ],
)
def test_local_and_proven_addresses_are_taken(uri: str) -> None:
    assert refusal(uri) == ""


@pytest.mark.parametrize(
    ("uri", "word"),
    [
        ("qemu+tcp://host.example/system", "+tcp"),
        ("qemu+tls://host.example/system?no_verify=1", "no_verify"),
        ("qemu+ssh://host.example/system?keyfile=/k&no_verify=1", "no_verify"),
        ("/run/libvirt/libvirt-sock", "driver"),
        ("qemu://[::1/system", "no address"),
    ],
)
def test_addresses_that_prove_nothing_are_refused_on_the_sources_page(
    uri: str, word: str, settings: Any
) -> None:
    settings.TELEMETRY_LIBVIRT_URI = uri
    (source,) = ComputeSources().hypervisors()
    report = run_poll(source, BatchBuilder("test"), 0, 10)
    assert report.outcome == "error"
    assert word in report.errors[0]


def test_what_to_do_is_said_where_it_is_known() -> None:
    assert "auth_unix_ro" in advice(94, "authentication unavailable: no polkit agent")
    assert "auth_unix_ro" in advice(45, "authentication failed")
    for text in (
        "Action org.libvirt.unix.monitor is not registered",
        "internal error: Unable to get system bus connection: Could not connect",
    ):
        assert "auth_unix_ro" in advice(1, text)
    assert "unix_sock_ro_perms" in advice(38, "Failed to connect socket: Permission denied")
    assert "running" in advice(38, "Failed to connect socket: No such file or directory")
    assert advice(38, "something else") == advice(1, "internal error") == ""
