"""Clients of the alarming API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.alarming.people import AlarmingClient


@pytest.fixture(autouse=True)
def _believed_headers(settings: Any) -> None:
    settings.TELEMETRY_NOAUTH = True


@pytest.fixture
def admin(db: None) -> AlarmingClient:
    return AlarmingClient("admin-u", "admin-p", "admin")


@pytest.fixture
def member(db: None) -> AlarmingClient:
    return AlarmingClient("u1", "p1", "member,reader")


@pytest.fixture
def reader(db: None) -> AlarmingClient:
    return AlarmingClient("u3", "p1", "reader")


@pytest.fixture
def stranger(db: None) -> AlarmingClient:
    return AlarmingClient("u2", "p2", "member")


@pytest.fixture
def nobody(db: None) -> AlarmingClient:
    return AlarmingClient()
