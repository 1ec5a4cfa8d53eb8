"""Clients of the metric API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.metric.people import MetricClient


@pytest.fixture(autouse=True)
def _believed_names(settings: Any) -> None:
    settings.TELEMETRY_BASIC_AUTH = True


@pytest.fixture
def admin(db: None) -> MetricClient:
    return MetricClient("admin")


@pytest.fixture
def jd(db: None) -> MetricClient:
    """Somebody without any role."""
    return MetricClient("jd")


@pytest.fixture
def nobody(db: None) -> MetricClient:
    return MetricClient()
