"""The oracle finds a planted loss, double and ghost, and nothing where nothing is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection

from meters.models import Event, Quarantine
from meters.store.write import store_batch
from telemetry_site.clock import now_us
from telemetry_site.embedded.postgres import EmbeddedPostgres
from tests.faults.ledger import Book, Items, SampleKey, items_of
from tests.faults.oracle import Stored, Verdict, ask, judge
from tests.support.batches import SECOND, batch_of, event, resource

A, B = SampleKey("vm-1", "cpu", 1), SampleKey("vm-1", "cpu", 2)


def book(*, maybe: bool = False, failed: bool = False) -> Book:
    items = Items({A: 1.0, B: 2.0}, {"e1", "e2"})
    made = Book()
    setattr(made, "info" if maybe else "fail" if failed else "ok", items)
    return made


WHOLE = Stored([(A, 1.0, 7), (B, 2.0, 7)], ["e1", "e2"])


def test_what_is_as_claimed_is_clean() -> None:
    verdict = judge(book(), WHOLE)
    assert verdict.clean
    assert str(verdict) == "4 stored, 0 equal copies"


def test_a_batch_delivered_twice_makes_copies_and_no_double() -> None:
    verdict = judge(book(), replace(WHOLE, samples=[*WHOLE.samples, (A, 1.0, 7)]))
    assert verdict.clean
    assert verdict.copies == 1


def test_a_planted_loss_is_found() -> None:
    verdict = judge(book(), Stored([(A, 1.0, 7)], ["e2"]))
    assert (verdict.lost, verdict.doubled, verdict.ghost) == ([B, "e1"], [], [])
    assert not verdict.clean


@pytest.mark.parametrize("second", [(A, 1.0, 8), (A, 9.0, 7)])
def test_a_planted_double_is_found(second: tuple[SampleKey, float, int]) -> None:
    verdict = judge(book(), Stored([*WHOLE.samples, second], ["e1", "e2", "e2"]))
    assert verdict.doubled == [A, "e2"]
    assert verdict.lost == []


def test_a_planted_ghost_is_found() -> None:
    ghost = SampleKey("vm-9", "cpu", 1)
    verdict = judge(book(), Stored([*WHOLE.samples, (ghost, 1.0, 9)], ["e1", "e2", "e9"]))
    assert (verdict.lost, verdict.doubled, verdict.ghost) == ([], [], [ghost, "e9"])


def test_another_value_is_a_loss_and_a_ghost() -> None:
    verdict = judge(book(), replace(WHOLE, samples=[(A, 1.5, 7), (B, 2.0, 7)]))
    assert (verdict.lost, verdict.ghost) == ([A], [A])


def test_the_unknown_may_be_there_or_not_but_not_changed() -> None:
    assert judge(book(maybe=True), WHOLE).clean
    assert judge(book(maybe=True), Stored()).clean
    changed = judge(book(maybe=True), Stored([(A, 1.5, 7)]))
    assert changed.ghost == [A]


def test_what_was_refused_must_not_be_there() -> None:
    assert judge(book(failed=True), Stored()).clean
    assert judge(book(failed=True), WHOLE).ghost == [A, B, "e1", "e2"]


def test_what_lies_in_quarantine_is_told() -> None:
    verdict = judge(book(), replace(WHOLE, quarantined=[("schema", "b1", "why")]))
    assert not verdict.clean
    assert "1 quarantined, for example [('schema', 'b1', 'why')]" in str(verdict)


@pytest.fixture
def stored(fresh_store: None) -> Book:
    """A real store that is exactly as the book says."""
    now = now_us()
    batch = batch_of(
        *(
            (resource(f"vm-{n}"), "cpu", n + 0.1, now - k * SECOND)
            for n in range(5)
            for k in range(9)
        ),
        events=[event("e1"), event("e2")],
    )
    store_batch(batch)
    return Book(ok=items_of(batch))


def judged(stored: Book) -> Verdict:
    return judge(stored, ask(EmbeddedPostgres().url(connection.settings_dict["NAME"])))


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_real_store_is_read_to_the_microsecond_and_the_last_bit(stored: Book) -> None:
    verdict = judged(stored)
    assert verdict.clean, verdict
    assert verdict.stored == 47


def test_a_loss_planted_in_the_real_store_is_found(stored: Book) -> None:
    execute("DELETE FROM meters_head_0 WHERE ctid = (SELECT min(ctid) FROM meters_head_0)")
    Event.objects.filter(message_id="e1").delete()
    verdict = judged(stored)
    assert (len(verdict.lost), verdict.ghost, verdict.doubled) == (2, [], [])


def test_a_double_and_a_ghost_planted_in_the_real_store_are_found(stored: Book) -> None:
    execute(
        "INSERT INTO meters_head_0 SELECT series_id, timestamp, value + 1 FROM meters_head_0 "
        "WHERE ctid = (SELECT min(ctid) FROM meters_head_0)"
    )
    execute("INSERT INTO meters_head_0 VALUES (0, now(), 1)")
    Quarantine.objects.create(form="batch", reason="schema", detail="planted")
    verdict = judged(stored)
    assert len(verdict.doubled) == 1
    assert len(verdict.ghost) == 2  # the other value, and the row of no series
    assert verdict.quarantined == [("schema", "", "planted")]
