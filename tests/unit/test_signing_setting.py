"""TELEMETRY_NOTIFICATION_SECRET: the secret that everybody knows is none."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from telemetry_site.settings.signing import PUBLIC_SECRET, check_signing_secret


@pytest.mark.parametrize("secret", ["", "one of our own"])
def test_a_secret_of_ones_own_or_none_is_taken(secret: str) -> None:
    assert check_signing_secret(secret) == secret


def test_the_public_secret_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="TELEMETRY_NOTIFICATION_SECRET"):
        check_signing_secret(PUBLIC_SECRET)
