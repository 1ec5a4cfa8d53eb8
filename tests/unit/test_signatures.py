"""Signatures of metering messages: the vectors that ceilometer's own code gave."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry_site.signatures import is_signed, signature, signed

SECRET = "change this for valid signing"
MESSAGE: dict[str, Any] = {
    "source": "openstack", "counter_name": "cpu", "counter_type": "cumulative",
    "counter_unit": "ns", "counter_volume": 590000000, "user_id": "u1", "user_name": None,
    "project_id": "p1", "project_name": None,
    "resource_id": "6f1a2b3c-0000-4000-8000-000000000001",
    "timestamp": "2026-11-25T02:00:00.000000", "resource_metadata": {},
    "message_id": "11111111-2222-11ef-8000-000000000001", "monotonic_time": None,
}  # fmt: skip
NESTED = {
    "flavor": {"id": "42", "vcpus": 1}, "tags": ["a", "b"], "att": [{"z": 1, "a": "x"}],
    "empty": {}, "image": None, "ok": True, "é": "ü",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "6658d396829be11b91b3b332200443df05e5055201ab25a94f632595d22e7669"),
        (
            {"counter_volume": 0.5, "resource_metadata": NESTED},
            "3710ede9a459c97163d70073d2ac51efcb73769381d1e14e1155cc5ff9b15494",
        ),
    ],
)
def test_a_message_has_the_signature_that_ceilometer_gives_it(
    changes: dict[str, Any], expected: str
) -> None:
    message = {**MESSAGE, **changes}

    assert signature(message, SECRET) == expected
    assert signature({**message, "message_signature": "x"}, SECRET) == expected
    assert is_signed(json.loads(json.dumps(signed(message, SECRET))), SECRET)


@pytest.mark.parametrize("given", [None, "", 5, "ü", "6658d396829be11b91b3b332200443df"])
def test_another_signature_or_none_is_no_signature(given: Any) -> None:
    assert not is_signed({**MESSAGE, "message_signature": given}, SECRET)
    assert not is_signed(MESSAGE, SECRET)


def test_a_changed_message_or_another_secret_is_noticed() -> None:
    message = signed(MESSAGE, SECRET)

    assert not is_signed({**message, "counter_volume": 590000001}, SECRET)
    assert not is_signed(message, "another")
