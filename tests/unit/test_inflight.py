"""Which batch is published when (A4, A7, A8)."""

from __future__ import annotations

from pollers.inflight import LONGEST_WAIT_S, MAX_INFLIGHT, InFlight


def book(timeout: float = 60.0) -> InFlight:
    return InFlight(timeout, jitter=lambda: 1.0)


def test_the_oldest_unpublished_batch_comes_first() -> None:
    flights = book()
    assert flights.next_batch(["a", "b"], 0.0) == "a"
    flights.published("a", 0.0)
    assert flights.next_batch(["a", "b"], 0.0) == "b"


def test_without_a_receipt_it_is_published_again_at_growing_distances() -> None:
    flights, now, waits = book(), 0.0, []
    for _ in range(7):
        flights.published("a", now)
        due = flights.wake_at(now, 1)
        assert flights.next_batch(["a"], due - 0.001) is None
        assert flights.next_batch(["a"], due) == "a"
        waits.append(due - now)
        now = due
    assert waits == [60.0, 120.0, 240.0, 480.0, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert flights.next_publication("a") == 8


def test_a_receipt_ends_it_and_tells_how_long_it_took() -> None:
    flights = book()
    flights.published("a", 1.0)
    flights.published("a", 61.0)
    assert flights.receipted("a", 65.0) == 64.0
    assert flights.receipted("a", 66.0) is None
    assert len(flights) == 0


def test_no_more_than_64_batches_wait_for_receipts() -> None:
    flights = book()
    ids = [str(k) for k in range(MAX_INFLIGHT + 1)]
    for batch_id in ids[:-1]:
        flights.published(batch_id, 0.0)
    assert flights.next_batch(ids, 1.0) is None
    flights.receipted("5", 1.0)
    assert flights.next_batch([i for i in ids if i != "5"], 1.0) == ids[-1]


def test_a_broker_that_is_away_is_probed_ever_more_rarely() -> None:
    flights, now, pauses = book(), 0.0, []
    for _ in range(7):
        flights.failed(now)
        assert flights.broker_away
        later = flights.wake_at(now, 1)
        assert flights.next_batch(["a"], later - 0.01) is None
        assert flights.next_batch(["a"], later) == "a"
        pauses.append(later - now)
        now = later
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    flights.published("a", now)
    assert not flights.broker_away


def test_jitter_spreads_the_repetitions() -> None:
    flights = InFlight(60.0)
    for k in range(50):
        flights.published(str(k), 0.0)
    dues = {flight.due for flight in flights._flights.values()}
    assert len(dues) > 40
    assert all(48.0 <= due <= 72.0 for due in dues)
