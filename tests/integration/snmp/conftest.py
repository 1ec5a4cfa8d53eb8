"""Debian's SNMP agent, one for all the tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pollers.central.snmp import session
from tests.support.snmpd import Agent, snmpd


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits for a second only, of which three must pass without an answer."""
    monkeypatch.setattr(session, "TIMEOUT_S", 1.0)


@pytest.fixture(scope="package")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as running:
        yield running
