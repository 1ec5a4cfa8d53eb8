"""Whose request the log says it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.test import Client
from django_structlog.signals import bind_extra_request_finished_metadata
from rest_framework.settings import api_settings

HEADERS = {"HTTP_X_FORWARDED_FOR": "6.6.6.6, 1.2.3.4", "REMOTE_ADDR": "10.0.0.9"}


@pytest.fixture
def named() -> Iterator[list[str]]:
    """The address that each request's lines name."""
    found: list[str] = []

    def note(**_more: Any) -> None:
        found.append(structlog.contextvars.get_contextvars()["ip"])

    bind_extra_request_finished_metadata.connect(note)
    yield found
    bind_extra_request_finished_metadata.disconnect(note)


@pytest.mark.parametrize(
    ("proxies", "address"), [(0, "10.0.0.9"), (1, "1.2.3.4"), (2, "6.6.6.6"), (9, "6.6.6.6")]
)
def test_only_our_own_proxies_are_believed(
    client: Client, named: list[str], monkeypatch: pytest.MonkeyPatch, proxies: int, address: str
) -> None:
    monkeypatch.setattr(api_settings, "NUM_PROXIES", proxies, raising=False)
    client.get("/-/healthy", **HEADERS)
    assert named == [address]
