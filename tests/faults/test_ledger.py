"""The ledger survives its writer and says what can be concluded, no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from meters import wire
from tests.faults.ledger import Ledger, LedgerError, SampleKey, items_of, read
from tests.support.batches import batch_of, event, resource

T = 1_700_000_000_000_000


def batch(number: int, *, events: tuple[str, ...] = ()) -> wire.Batch:
    return batch_of(
        (resource(), "cpu", float(number), T + number), events=[event(name) for name in events]
    )


def key(number: int) -> SampleKey:
    return SampleKey("vm-1", "cpu", T + number)


def test_each_outcome_is_read_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "a")
    taken, refused, unknown = batch(1, events=("e1",)), batch(2), batch(3, events=("e3",))
    for one in (taken, refused, unknown):
        ledger.invoke(one)
    ledger.info(unknown.batch_id, "timed out")
    ledger.fail(refused.batch_id, "400")
    ledger.ok(taken.batch_id)
    ledger.close()

    book = read([tmp_path / "a"])
    assert (book.ok.samples, book.ok.events) == ({key(1): 1.0}, {"e1"})
    assert (book.fail.samples, book.fail.events) == ({key(2): 2.0}, set())
    assert (book.info.samples, book.info.events) == ({key(3): 3.0}, {"e3"})
    assert book.batches == 1


def test_what_has_no_outcome_is_unknown_and_half_a_line_is_nothing(tmp_path: Path) -> None:
    """The writer was killed between two entries, and in one."""
    path = tmp_path / "a"
    ledger = Ledger(path)
    known = batch(1)
    ledger.invoke(known)
    ledger.ok(known.batch_id)
    ledger.invoke(batch(2))
    whole = path.read_bytes()
    ledger.invoke(batch(3))
    ledger.close()
    path.write_bytes(path.read_bytes()[: len(whole) + 40])

    book = read([path])
    assert book.ok.samples == {key(1): 1.0}
    assert book.info.samples == {key(2): 2.0}


def test_the_ledgers_of_several_producers_are_one_book(tmp_path: Path) -> None:
    for number in (1, 2):
        ledger = Ledger(tmp_path / str(number))
        one = batch(number)
        ledger.invoke(one)
        ledger.ok(one.batch_id)
        ledger.close()
    assert read(tmp_path.iterdir()).ok.samples == {key(1): 1.0, key(2): 2.0}


def test_a_ledger_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "a")
    ledger.ok("never-invoked")
    ledger.close()
    with pytest.raises(LedgerError, match="never-invoked, which was not invoked"):
        read([tmp_path / "a"])

    ledger = Ledger(tmp_path / "b")
    for one in (batch(1), batch(1)):
        ledger.invoke(one)
        ledger.ok(one.batch_id)
    ledger.close()
    with pytest.raises(LedgerError, match="claimed by two batches"):
        read([tmp_path / "b"])


def test_every_item_of_a_batch_is_claimed() -> None:
    rows = [(resource(f"vm-{n}"), meter, n * 1.5, T) for n in range(3) for meter in ("cpu", "ram")]
    items = items_of(batch_of(*rows, events=[event("e1"), event("e2")]))
    assert len(items) == 8
    assert items.samples[SampleKey("vm-2", "ram", T)] == 3.0
