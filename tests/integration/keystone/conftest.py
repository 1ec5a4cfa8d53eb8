"""Who asks Keystone, and what is logged meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from telemetry_site.auth import keystone as client
from telemetry_site.settings.allowances import parse_allowance
from telemetry_site.settings.keystone import KeystoneAccess
from tests.integration.keystone.asking import LOGINS, NO_PROJECT, PEOPLE, Caller
from tests.keystone import KeystoneServer, access


@pytest.fixture(scope="module")
def tokens(keystone: KeystoneServer) -> dict[str, str]:
    """Keystone's token of each of `PEOPLE`."""
    return {
        name: keystone.token(
            LOGINS.get(name, "everywhere" if name in NO_PROJECT else name), password, **scope
        )
        for name, (password, scope) in PEOPLE.items()
    }


@pytest.fixture
def use(settings: Any) -> Iterator[Callable[..., None]]:
    """`use(access)`: these are our settings, and nothing is remembered from before."""

    def choose(chosen: KeystoneAccess) -> None:
        client._token_cache.cache_clear()
        settings.TELEMETRY_KEYSTONE = chosen

    yield choose
    client._token_cache.cache_clear()


@pytest.fixture
def door(keystone: KeystoneServer, use: Callable[..., None]) -> KeystoneServer:
    """The running Keystone, and we ask it."""
    use(access(keystone))
    return keystone


@pytest.fixture
def sending_door(settings: Any, broker: Any, door: KeystoneServer) -> Iterator[KeystoneServer]:
    """And the notifier asks it too, for receivers on this machine."""
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
    client.service_of.cache_clear()
    yield door
    client.service_of.cache_clear()


@pytest.fixture
def member(tokens: dict[str, str]) -> Caller:
    return Caller(tokens["member"])


@pytest.fixture
def log() -> Iterator[list[Any]]:
    """What is logged meanwhile."""
    with capture_logs() as entries:
        yield entries
