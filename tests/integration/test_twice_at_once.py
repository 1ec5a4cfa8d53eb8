"""Each of the store's jobs may run twice at once: one does the work, the others leave it.

Retention, the sweep of what was deleted and the survey have theirs beside their other tests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from meters.models import Chunk, HeadSample, HeadSlot
from meters.store import compaction, deletion, head
from meters.store.compaction import Packing, compact, merge
from meters.store.deletion import Swept, delete_metrics, sweep_deleted
from telemetry_site.clock import now_us
from tests.support.storing import DAY, in_a_thread, pack, series, store, stored, untimed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def noon() -> int:
    """Of the day before yesterday, so that its chunks are due for merging."""
    return (now_us() // DAY - 2) * DAY + DAY // 2


def in_states() -> dict[str, int]:
    states = list(HeadSlot.objects.values_list("state", flat=True))
    return {state: states.count(state) for state in ("open", "closed", "free")}


def at_once(work: Callable[[], Any], times: int = 4) -> list[Any]:
    """What each of several threads got that began together."""
    ready = threading.Barrier(times)

    def begun() -> Any:
        ready.wait(20)
        return work()

    with ThreadPoolExecutor(times) as pool:
        running = [pool.submit(in_a_thread(begun)) for _ in range(times)]
        return [one.result(30) for one in running]


def meanwhile_at(monkeypatch: pytest.MonkeyPatch, point: str, work: Callable[[], Any]) -> list[Any]:
    """What another thread gets that does the work while this one is at the point."""
    got: list[Any] = []

    def reached(name: str) -> None:
        if name == point and not got:
            with ThreadPoolExecutor() as pool:
                got.append(pool.submit(in_a_thread(work)).result(20))

    monkeypatch.setattr(compaction, "failpoint", reached)
    return got


def test_several_that_rotate_open_one_slot(noon: int, settings: Any) -> None:
    settings.TELEMETRY_SLOT_SECONDS = 0
    store(("vm-1", noon, 1.0))
    assert sorted(at_once(head.rotate)) == [False, False, False, True]
    assert in_states() == {"open": 1, "closed": 1, "free": 4}


def test_while_one_rotates_others_leave_it_alone(
    noon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile = []

    def is_done(_: Any) -> bool:
        with ThreadPoolExecutor() as pool:
            again = in_a_thread(lambda: head.rotate(at_once=True))
            meanwhile.append(pool.submit(again).result(20))
        return True

    monkeypatch.setattr(head, "_is_done", is_done)
    assert head.rotate()
    assert meanwhile == [False]
    assert in_states() == {"open": 1, "closed": 1, "free": 4}


def test_several_that_pack_pack_each_slot_once(noon: int) -> None:
    for k in range(4):
        store(("vm-1", noon, float(k)), ("vm-1", noon + k, 9.0 if k else 0.0))
        assert head.rotate(at_once=True)
    packed = list(at_once(compact))
    while packing := compact():
        packed.append(packing)
    slots = [packing.slot for packing in packed if packing]
    assert sorted(slots) == [0, 1, 2, 3]
    assert stored() == {noon: 3.0, noon + 1: 9.0, noon + 2: 9.0, noon + 3: 9.0}


@pytest.mark.parametrize("point", ["compactor.after_copy", "compactor.before_commit"])
def test_while_one_packs_others_leave_it_alone(
    noon: int, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    store(("vm-1", noon, 1.0))
    assert head.rotate(at_once=True)
    meanwhile = meanwhile_at(monkeypatch, point, compact)
    assert untimed(compact()) == Packing(slot=0, rows=1, points=1, chunks=1, waited_s=0)
    assert meanwhile == [None]
    assert stored() == {noon: 1.0}


def test_several_that_merge_merge_each_day_once(noon: int) -> None:
    for value in (1.0, 2.0):
        store(*((f"vm-{n}", noon, value) for n in range(20)))
        pack()
    merged = sum(at_once(lambda: merge(at_most=5)))
    while made := merge(at_most=5):
        merged += made
    assert (merged, Chunk.objects.count()) == (20, 20)
    assert [stored(f"vm-{n}") for n in range(20)] == [{noon: 2.0}] * 20


def test_while_one_merges_others_leave_it_alone(noon: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (1.0, 2.0):
        store(("vm-1", noon, value))
        pack()
    meanwhile = meanwhile_at(monkeypatch, "merger.before_write", merge)
    assert merge() == 1
    assert meanwhile == [0]
    assert stored() == {noon: 2.0}


def test_the_whole_job_by_several(noon: int, settings: Any) -> None:
    settings.TELEMETRY_SLOT_SECONDS = 0
    for k in range(12):
        store(("vm-1", noon + k, float(k)), ("vm-2", noon, float(k)))
        list(at_once(lambda: compaction.tend(seconds=0.5)))
    assert stored() == {noon + k: float(k) for k in range(12)}
    assert stored("vm-2") == {noon: 11.0}
    compaction.tend()
    assert (in_states()["closed"], HeadSample.objects.count()) == (0, 0)


def test_while_one_sweeps_others_leave_it_alone(noon: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that pack and merge, too: a chunk of a deleted metric must not appear behind it."""
    store(("vm-1", noon, 1.0), ("vm-2", noon, 2.0))
    pack()
    store(("vm-2", noon + 1, 2.0))
    assert head.rotate(at_once=True)
    delete_metrics([series("vm-1")])
    meanwhile: list[Any] = []

    def reached(_: str) -> None:
        with ThreadPoolExecutor() as pool:
            for work in (sweep_deleted, compact, merge):
                meanwhile.append(pool.submit(in_a_thread(work)).result(20))

    monkeypatch.setattr(deletion, "failpoint", reached)
    assert sweep_deleted() == Swept(series=1, chunks=1)
    assert meanwhile == [None, None, 0]
    assert compact() is not None
    assert stored("vm-2") == {noon: 2.0, noon + 1: 2.0}
