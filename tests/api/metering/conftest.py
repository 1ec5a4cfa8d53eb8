"""Clients of the metering and event API."""

from __future__ import annotations

from typing import Any

import pytest

from meters.models import CatalogueEpoch
from meters.store import write
from tests.api.metering.people import ClassicClient, EventClient


@pytest.fixture(autouse=True)
def _believed_headers(settings: Any) -> None:
    settings.TELEMETRY_NOAUTH = True


@pytest.fixture(autouse=True)
def _store(db: None) -> None:
    """What other tests left behind: no epoch row, cached series."""
    CatalogueEpoch.objects.get_or_create(pk=1)
    write._cache.clear()


@pytest.fixture
def admin() -> ClassicClient:
    return ClassicClient("admin-u", "admin-p", "admin")


@pytest.fixture
def member() -> ClassicClient:
    return ClassicClient("u1", "p1", "member")


@pytest.fixture
def stranger() -> ClassicClient:
    return ClassicClient("u2", "p2", "member")


@pytest.fixture
def event_admin() -> EventClient:
    return EventClient("admin-u", "admin-p", "admin")


@pytest.fixture
def event_member() -> EventClient:
    return EventClient("u1", "p1", "member")
