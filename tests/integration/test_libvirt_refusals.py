"""What an agent that libvirt keeps out says on the sources page: libvirt's own sentence, the
address that was tried, and what to do. The agent's libvirt process runs as a user without any
right; libvirtd, its sockets and its polkit are real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from meters.models import Source
from meters.store.write import store_batch
from pollers.batch import BatchBuilder
from pollers.compute import process
from pollers.compute.hypervisor import Hypervisor
from pollers.compute.libvirt_source import LibvirtSource
from pollers.polls import run_poll
from telemetry_site import paths
from telemetry_site.clock import now_us
from tests.browser import seed
from tests.libvirt_host import LibvirtHost, libvirt_host, why_not
from tests.support.visitors import signed_in, text

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "libvirt is there"),
    pytest.mark.usefixtures("undone_store"),
]

GUEST = "6f1a2b3c-0000-4000-8000-0000000000f1"
#: What the agent starts, as it would if the agent itself ran as nobody.
AS_NOBODY = """
import os
from pollers.compute import child
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
child.main()
"""
Change = Callable[[LibvirtHost], None]


@pytest.fixture(scope="module")
def host() -> Iterator[LibvirtHost]:
    """One guest that is shut off, and sockets that others can reach."""
    with libvirt_host() as made:
        made.define("plain", GUEST)
        opened(made)
        yield made


@pytest.fixture(autouse=True)
def _as_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(AS_NOBODY)
    monkeypatch.setattr(process, "CHILD", script)
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT))


@pytest.fixture
def operator() -> Client:
    seed.users()
    return signed_in("operator")


def opened(host: LibvirtHost) -> None:
    for directory in (host.directory, host.directory / "run"):
        directory.chmod(0o711)
    (host.directory / "run" / "libvirt-sock-ro").chmod(0o777)
    (host.directory / "run" / "libvirt-sock").chmod(0o700)


def socket_closed(host: LibvirtHost) -> None:
    (host.directory / "run" / "libvirt-sock-ro").chmod(0o700)


def directory_closed(host: LibvirtHost) -> None:
    (host.directory / "run").chmod(0o700)


def polkit_asked(host: LibvirtHost) -> None:
    """Which has no rule for nobody, and on a machine without D-Bus no answer at all."""
    restart(host, auth_unix_ro="polkit")


def restart(host: LibvirtHost, auth_unix_ro: str) -> None:
    host.kill()
    host.configure(auth_unix_ro=auth_unix_ro)
    host.start()
    opened(host)


def nothing(host: LibvirtHost) -> None:
    """The socket for changes is closed as it is."""


@pytest.mark.parametrize(
    ("change", "read_only", "said", "to_do"),
    [
        (socket_closed, True, "Permission denied", "unix_sock_ro_perms"),
        (directory_closed, True, "Permission denied", "may not open the socket"),
        (nothing, False, "Permission denied", "libvirt-sock-ro"),
        (polkit_asked, True, "let this user in", 'auth_unix_ro = "none"'),
    ],
    ids=["socket", "directory", "socket for changes", "polkit"],
)
def test_the_sources_page_says_who_keeps_the_agent_out_and_what_to_do(
    host: LibvirtHost, operator: Client, change: Change, read_only: bool, said: str, to_do: str
) -> None:
    uri = host.uri if read_only else host.uri.removesuffix("-ro")
    hypervisor = Hypervisor(uri, 8.0)
    source = LibvirtSource(hypervisor, "cmp01", ("", ""))
    try:
        change(host)
        poll(source)
        refused = Source.objects.get()
        pages = [
            " ".join(unescape(text(operator, page)).split())
            for page in (reverse("ui:sources"), reverse("ui:source", args=[refused.pk]), "/")
        ]
        sentence = f"libvirt at {source.name}: "
        assert all(sentence in words for words in pages)
        assert said in pages[1]
        assert to_do in pages[1]
        assert "can't be polled" in pages[2]
        assert "Traceback" not in "".join(pages)
        assert refused.last_success is None
    finally:
        restart(host, auth_unix_ro="none") if change is polkit_asked else opened(host)
        hypervisor.close()


def test_once_it_is_let_in_by_the_read_only_socket_nothing_is_said_any_more(
    host: LibvirtHost, operator: Client
) -> None:
    hypervisor = Hypervisor(host.uri, 8.0)
    source = LibvirtSource(hypervisor, "cmp01", ("", ""))
    try:
        socket_closed(host)
        poll(source)
        opened(host)
        assert poll(source) == 1
    finally:
        opened(host)
        hypervisor.close()
    assert Source.objects.get().outcome == Source.Outcome.OK
    assert "Permission denied" not in text(operator, reverse("ui:sources"))


def poll(source: LibvirtSource) -> int:
    """By way of the store; returns the samples that were stored."""
    builder = BatchBuilder("compute.cmp01")
    run_poll(source, builder, now_us(), 10)
    return sum(store_batch(batch).samples for batch in builder.batches())
