"""Marks for tests that make sense on one broker only."""

from __future__ import annotations

import pytest

on_valkey = pytest.mark.parametrize("broker", ["valkey"], indirect=True)
on_rabbitmq = pytest.mark.parametrize(
    "broker", [pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)], indirect=True
)
