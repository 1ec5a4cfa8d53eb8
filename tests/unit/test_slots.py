"""Slots: each at most once, none lost to a jittering tick (rules A2, A3)."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from pollers.slots import host_offset, missed_between, slot_at, slot_for_tick


def test_a_slot_is_the_epochs_grid_plus_the_hosts_offset() -> None:
    assert slot_at(1234.0, 10, 0.0) == 1230
    assert slot_at(1230.2, 10, 0.5) == 1220.5
    assert slot_at(1230.5, 10, 0.5) == 1230.5


def test_hosts_are_spread_over_a_tenth_of_the_interval_and_keep_their_place() -> None:
    offsets = [host_offset(f"cmp{number:02}", 300) for number in range(50)]
    assert all(0 <= offset < 30 for offset in offsets)
    assert len(set(offsets)) == 50
    assert max(offsets) - min(offsets) > 20
    assert host_offset("cmp01", 300) == offsets[1]


@pytest.mark.parametrize("phase", [0.0, 0.02, 2.5, 5.0, 7.4, 9.98])
def test_no_phase_of_the_beat_makes_ticks_share_a_slot_or_leave_one_out(phase: float) -> None:
    jitter = random.Random(4)
    last, slots = None, []
    for number in range(500):
        now = 1_000_000 + number * 10 + phase + jitter.uniform(-1, 1)
        slot = slot_for_tick(now, 10, 0.3, last)
        assert slot is not None, f"tick {number} was for a slot that is done"
        slots.append(slot)
        last = slot
    steps = {round(later - earlier, 6) for earlier, later in pairwise(slots)}
    assert steps == {10.0}


def test_a_second_beat_ticks_in_vain() -> None:
    assert slot_for_tick(1234, 10, 0, last=1230) is None
    assert slot_for_tick(1240, 10, 0, last=1230) == 1240


def test_slots_between_two_polls_are_counted_as_missed() -> None:
    assert missed_between(None, 1230, 10) == 0
    assert missed_between(1230, 1240, 10) == 0
    assert missed_between(1230, 1280, 10) == 4
