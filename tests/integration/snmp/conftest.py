"""Debian's SNMP agent, one for all the tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.snmpd import Agent, snmpd


@pytest.fixture(scope="package")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as running:
        yield running
