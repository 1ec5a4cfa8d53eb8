"""Setting silent domains aside."""

from __future__ import annotations

from pollers.compute.aside import FIRST_WAIT, LONGEST_WAIT, Aside


def polls_until_due(aside: Aside) -> int:
    for number in range(1, 200):
        if aside.start_poll():
            return number
    raise AssertionError("never due")


def test_a_domain_that_hung_is_tried_again_after_some_polls_then_after_twice_as_many() -> None:
    aside = Aside()
    assert aside.put("u1", "web", hung=True)
    waits = []
    for _ in range(8):
        waits.append(polls_until_due(aside))
        assert not aside.put("u1", "web", hung=True), "it is not new any more"
    assert waits[:3] == [FIRST_WAIT, FIRST_WAIT * 2, FIRST_WAIT * 4]
    assert max(waits) == LONGEST_WAIT


def test_a_domain_that_libvirt_passes_over_is_asked_in_every_poll() -> None:
    aside = Aside()
    aside.put("u1", "web", hung=False)
    assert aside.start_poll() == {"u1": "web"}
    aside.put("u1", "web", hung=False)
    assert aside.start_poll() == {"u1": "web"}


def test_a_released_domain_is_forgotten() -> None:
    aside = Aside()
    aside.put("u1", "web", hung=True)
    assert aside.release("u1")
    assert not aside.release("u1")
    assert (len(aside), aside.start_poll(), aside.sentences()) == (0, {}, [])


def test_each_is_named_with_the_reason_and_the_next_try() -> None:
    aside = Aside()
    aside.put("u1", "web", hung=True)
    aside.put("u2", "db", hung=False)
    assert aside.sentences() == [
        "web (u1): monitor does not answer; set aside, tried again in 4 polls",
        "db (u2): monitor does not answer; set aside, tried again at the next poll",
    ]
