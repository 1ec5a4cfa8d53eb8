"""How often Keystone is bothered while it gives no verdict."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from telemetry_site.auth.keystone import NO_ANSWER, PAUSE_S, Gate, KeystoneError


class Watch:
    def __init__(self) -> None:
        self.time = 100.0
        self.gate = Gate(lambda: self.time)

    def enters(self) -> bool:
        try:
            self.gate.enter()
        except KeystoneError:
            return False
        return True


def test_without_trouble_all_go_through() -> None:
    watch = Watch()
    assert all(watch.enters() for _ in range(9))
    watch.gate.leave("")
    assert watch.enters()


def test_after_trouble_nobody_asks_for_a_while_and_then_one() -> None:
    watch = Watch()
    assert watch.enters()
    watch.gate.leave(NO_ANSWER)
    watch.time += PAUSE_S - 0.1
    assert not watch.enters()
    watch.time += 0.1
    assert [watch.enters() for _ in range(3)] == [True, False, False]
    watch.gate.leave(NO_ANSWER)
    assert not watch.enters()
    watch.time += PAUSE_S
    assert watch.enters()
    watch.gate.leave("")
    assert all(watch.enters() for _ in range(3))


def test_who_was_in_before_the_trouble_does_not_log_in_after_it() -> None:
    watch = Watch()
    watch.gate.refuse_if_shut()
    watch.gate.leave(NO_ANSWER)
    with pytest.raises(KeystoneError, match=NO_ANSWER):
        watch.gate.refuse_if_shut()
    watch.time += PAUSE_S
    assert watch.enters()
    watch.gate.refuse_if_shut()


def test_each_change_is_logged_once() -> None:
    watch = Watch()
    with capture_logs() as log:
        watch.gate.leave("")
        for trouble in (NO_ANSWER, NO_ANSWER, "Keystone is mad.", "Keystone is mad.", "", ""):
            watch.gate.leave(trouble, "detail")
    assert [(entry["log_level"], entry.get("reason")) for entry in log] == [
        ("error", NO_ANSWER), ("error", "Keystone is mad."), ("warning", None),
    ]  # fmt: skip
