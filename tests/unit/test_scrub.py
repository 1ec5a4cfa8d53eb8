"""What is kept of other people's payloads."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from meters import wire
from pollers.scrub import scrubbed

MANY = {f"k{number}": "x" * 400 for number in range(300)}


def test_what_is_kept_is_within_the_limits_of_metadata_and_what_is_not_is_noted() -> None:
    notes: Counter[str] = Counter()
    kept = scrubbed({"name": "a", "inner": MANY, "long": ["y" * 4000] * 30}, notes)
    wire.check_metadata("metadata", kept)
    assert kept["name"] == "a"
    assert set(notes) == {
        "metadata: keys beyond 256 left out", "metadata: the largest beyond 64 KiB left out",
    }  # fmt: skip


def test_a_notification_as_it_came_is_kept_whole_or_refused_as_a_whole() -> None:
    notes: Counter[str] = Counter()
    assert scrubbed({"payload": MANY}, notes, is_raw=True) == {"payload": MANY}
    assert not notes


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (float("nan"), None), (float("inf"), None), (2**63, None), (-(2**63), -(2**63)),
        ("\ud800", None), ("a\x00", None), (b"x", None), ((1, 2), [1, 2]), ({2, 1}, [1, 2]),
        ({1: 2}, {"1": 2}), ({"psk": 1}, {}), (True, True), ([None, float("nan")], [None]),
    ],
)  # fmt: skip
def test_what_json_or_the_store_does_not_have_is_left_out(value: Any, kept: Any) -> None:
    notes: Counter[str] = Counter()
    found = scrubbed({"value": value, "other": 1}, notes)
    wire.check_metadata("metadata", found)
    assert found == {"other": 1} | ({} if kept is None else {"value": kept})
    assert bool(notes) is (kept is None or kept == [None])
