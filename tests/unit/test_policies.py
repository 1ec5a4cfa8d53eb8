"""Policies as pure functions: tables, and random histories against a slow oracle that keeps all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms import rules
from alarms.definition.policy import Policy
from alarms.evaluator.judging import sight_of
from alarms.policies import Memory, decide, phase
from alarms.rules import SECOND, Look

ID, OK, ALARM = "insufficient data", "ok", "alarm"
#: What a window of two values may show.
LOOKS = {
    "A": Look(2, 2, True, 91.0),
    "O": Look(2, 0, False, 10.0),
    "u": Look(2, 1, True, 90.0),
    "d": Look(2, 1, False, 10.0),
    "?": Look(2, problem="No datapoint for granularity 60"),
}


def run(
    policy: Policy, state: str, steps: Sequence[tuple[int, str]], repeat: bool = False
) -> list[tuple[str, bool, str]]:
    """(state, fired, phase) after each (second, look)."""
    memory, found = Memory(), []
    for at, look in steps:
        outcome = decide(policy, memory, state, repeat, sight_of(LOOKS[look]), at * SECOND)
        memory = outcome.memory
        state = outcome.verdict.state if outcome.verdict else state
        found.append((state, outcome.verdict is not None, phase(state, memory).name))
    return found


def story(policy: Policy, state: str, looks: str, every: int = 30) -> str:
    """The state after each look, one a letter: i, o, a; a capital where it was told."""
    steps = [(1000 + number * every, look) for number, look in enumerate(looks)]
    letters = {ID: "i", OK: "o", ALARM: "a"}
    return "".join(
        letters[now].upper() if fired else letters[now]
        for now, fired, _ in run(policy, state, steps)
    )


@pytest.mark.parametrize(
    ("policy", "state", "looks", "told"),
    [
        # for: seen at 0, fires at the first look with 90 s behind it.
        (Policy(for_=90), OK, "AAAAA", "oooAa"),
        (Policy(for_=91), OK, "AAAAAA", "ooooAa"),
        (Policy(for_=0), OK, "AA", "Aa"),
        (Policy(for_=60), OK, "AAOAAA", "ooooo" "A"),
        (Policy(for_=60), OK, "AA?AAA", "ooIiiA"),
        # A mixed window holds what waits: it neither resets nor fires.
        (Policy(for_=60), OK, "AudA", "oooA"),
        (Policy(for_=60), OK, "Auuuu", "ooooo"),
        # Without data it is the trend that counts, and then waits as anything.
        (Policy(for_=60), ID, "uAA", "iiA"),
        (Policy(for_=60), ID, "dAAA", "OooA"),
        (Policy(for_=60), ID, "AdAA", "iiAa"),
        (Policy(for_=60), ALARM, "AAO", "aaO"),
        # keep_firing_for
        (Policy(keep_firing_for=60), ALARM, "OOOO", "aaOo"),
        (Policy(keep_firing_for=60), ALARM, "OOAOOO", "aaaaaO"),
        (Policy(keep_firing_for=60), ALARM, "OdddO", "aaaaO"),
        (Policy(keep_firing_for=60), ALARM, "O?OO", "aIOo"),
        (Policy(for_=30, keep_firing_for=30), OK, "AAOOAA", "oAaOoA"),
        # no_data
        (Policy(), OK, "?O", "IO"),
        (Policy(no_data="keep"), OK, "??A?", "ooAa"),
        (Policy(no_data="keep"), ID, "??", "ii"),
        (Policy(no_data="ok"), ALARM, "??", "Oo"),
        (Policy(no_data="ok"), ID, "?A?", "OAO"),
        (Policy(no_data="alarm"), OK, "??O", "AaO"),
        (Policy(no_data="alarm"), ID, "?O", "AO"),
        (Policy(no_data_for=60), OK, "????", "ooIi"),
        (Policy(no_data_for=60), OK, "??O???", "oooooI"),
        (Policy(no_data="alarm", no_data_for=60), OK, "????O", "ooAaO"),
        # Both waits run from the moment when data went missing.
        (Policy(no_data="alarm", for_=60), OK, "????", "ooAa"),
        (Policy(no_data="alarm", no_data_for=30, for_=60), OK, "????", "ooAa"),
        (Policy(no_data="alarm", no_data_for=60, for_=30), OK, "????", "ooAa"),
        (Policy(no_data="ok", keep_firing_for=60), ALARM, "????", "aaOo"),
        # A gap that does not count yet resets nothing.
        (Policy(for_=60, no_data_for=600), OK, "A?A", "ooA"),
        (Policy(for_=60, no_data="keep"), OK, "A?A", "ooA"),
    ],
)  # fmt: skip
def test_a_story(policy: Policy, state: str, looks: str, told: str) -> None:
    assert story(policy, state, looks) == told


def test_repeats_come_no_more_often_than_they_may() -> None:
    told = run(
        Policy(repeat_interval=100), ALARM, [(at, "A") for at in range(0, 301, 30)], repeat=True
    )
    assert [fired for _, fired, _ in told] == [
        True, False, False, False, True, False, False, False, True, False, False,
    ]  # fmt: skip


def test_a_change_is_told_at_once_and_begins_the_interval_anew() -> None:
    steps = [(0, "A"), (30, "O"), (60, "O"), (120, "O"), (130, "O")]
    told = run(Policy(repeat_interval=100), ALARM, steps, repeat=True)
    assert [fired for _, fired, _ in told] == [True, True, False, False, True]


def test_without_an_interval_each_look_repeats() -> None:
    told = run(Policy(for_=60), OK, [(0, "A"), (30, "A"), (60, "A"), (90, "A")], repeat=True)
    assert [(state, fired) for state, fired, _ in told] == [
        (OK, True), (OK, True), (ALARM, True), (ALARM, True),
    ]  # fmt: skip


def test_phases() -> None:
    policy = Policy(for_=30, keep_firing_for=30)
    told = run(policy, OK, [(0, "O"), (30, "A"), (60, "A"), (90, "O"), (120, "O"), (150, "?")])
    assert [name for _, _, name in told] == [
        "normal", "pending", "firing", "recovering", "normal", "no data",
    ]  # fmt: skip


def test_what_waits_for_missing_data_shows_as_no_data() -> None:
    told = run(Policy(no_data_for=600), OK, [(0, "O"), (30, "?"), (60, "O")])
    assert told == [(OK, False, "normal"), (OK, False, "no data"), (OK, False, "normal")]


def test_the_reason_of_missing_data_is_the_same_whatever_they_mean() -> None:
    seen = sight_of(LOOKS["?"])
    outcome = decide(Policy(no_data="alarm"), Memory(), OK, False, seen, SECOND)
    assert outcome.verdict is not None
    assert outcome.verdict.reason == "No datapoint for granularity 60"
    assert outcome.verdict.reason_data["disposition"] == "unknown"


# --- clocks ------------------------------------------------------------------------------------


def test_a_clock_that_is_put_back_begins_the_wait_anew() -> None:
    told = run(Policy(for_=60), OK, [(5000, "A"), (1000, "A"), (1059, "A"), (1060, "A")])
    assert [state for state, _, _ in told] == [OK, OK, OK, ALARM]


def test_a_clock_that_is_put_back_never_repeats_early() -> None:
    steps = [(5000, "A"), (1000, "A"), (1099, "A"), (1100, "A")]
    told = run(Policy(repeat_interval=100), ALARM, steps, repeat=True)
    assert [fired for _, fired, _ in told] == [True, False, False, True]


def test_what_another_state_left_behind_is_void() -> None:
    """Somebody set the state by hand in between."""
    stale = Memory(pending_since=1, recovering_since=1)
    outcome = decide(Policy(keep_firing_for=60), stale, ALARM, False, sight_of(LOOKS["A"]), 10**9)
    assert outcome.memory == Memory()
    outcome = decide(Policy(for_=60), stale, OK, False, sight_of(LOOKS["O"]), 10**9)
    assert outcome.memory == Memory()


# --- against an oracle -------------------------------------------------------------------------

WAITS = st.sampled_from([0, 1, 29, 30, 31, 60, 90, 200])
POLICIES = st.builds(
    Policy,
    for_=WAITS,
    keep_firing_for=WAITS,
    no_data=st.sampled_from(["insufficient", "alarm", "ok", "keep"]),
    no_data_for=WAITS,
    repeat_interval=st.none() | st.sampled_from([1, 30, 31, 90]),
)
STEPS = st.lists(st.tuples(st.integers(1, 100), st.sampled_from(sorted(LOOKS))), max_size=30)
STATES = st.sampled_from([ID, OK, ALARM])


class Past(NamedTuple):
    at: int
    look: str
    before: str
    says: str | None
    after: str


class Oracle:
    """Forgets nothing and remembers nothing: each answer is worked out from the whole past."""

    def __init__(self, policy: Policy, state: str) -> None:
        self.policy = policy
        self.state = state
        self.past: list[Past] = []
        self.told: list[int] = []

    def step(self, at: int, look: str, repeat: bool) -> tuple[str, bool]:
        before = self.state
        says = self._says(at, look)
        wait = {(True, ALARM): self.policy.for_, (False, OK): self.policy.keep_firing_for}.get(
            (before != ALARM, says or ""), 0
        )
        if says is not None and at - self._since(at, look, says) >= wait:
            self.state = says
        self.past.append(Past(at, look, before, says, self.state))
        fires = self.state != before or (repeat and self._may_repeat(at))
        if fires:
            self.told.append(at)
        return self.state, fires

    def _missing_since(self, at: int, look: str) -> int | None:
        if look != "?":
            return None
        for one in reversed(self.past):
            if one.look != "?":
                break
            at = one.at
        return at

    def _says(self, at: int, look: str) -> str | None:
        missing = self._missing_since(at, look)
        if missing is not None:
            meaning = {"insufficient": ID, "alarm": ALARM, "ok": OK, "keep": None}
            waited = at - missing >= self.policy.no_data_for
            return meaning[self.policy.no_data] if waited else None
        if look in "ud":
            if self.state != ID or self._is_waiting(ALARM):
                return None
            return ALARM if look == "u" else OK
        return ALARM if look == "A" else OK

    def _run(self, says: str) -> list[Past]:
        """The looks at the end of the past that said so, or nothing, in one and the same side."""
        run: list[Past] = []
        for one in reversed(self.past):
            same_side = (one.after == ALARM) == (self.state == ALARM) == (one.before == ALARM)
            if not same_side or one.says not in (says, None):
                break
            run.insert(0, one)
        return run

    def _is_waiting(self, says: str) -> bool:
        return any(one.says == says for one in self._run(says))

    def _since(self, at: int, look: str, says: str) -> int:
        for place, one in enumerate(self.past):
            if one in self._run(says) and one.says == says:
                missing = one.at
                if one.look == "?":
                    for earlier in reversed(self.past[:place]):
                        if earlier.look != "?":
                            break
                        missing = earlier.at
                return missing
        missing_now = self._missing_since(at, look)
        return at if missing_now is None else missing_now

    def _may_repeat(self, at: int) -> bool:
        interval = self.policy.repeat_interval
        return interval is None or not self.told or at - self.told[-1] >= interval


@given(POLICIES, STATES, STEPS, st.booleans())
def test_it_does_what_the_oracle_does(
    policy: Policy, state: str, steps: list[tuple[int, str]], repeat: bool
) -> None:
    oracle = Oracle(policy, state)
    at, memory = 1000, Memory()
    for pause, look in steps:
        at += pause
        expected = oracle.step(at, look, repeat)
        outcome = decide(policy, memory, state, repeat, sight_of(LOOKS[look]), at * SECOND)
        memory = outcome.memory
        state = outcome.verdict.state if outcome.verdict else state
        assert (state, outcome.verdict is not None) == expected


@given(STATES, st.booleans(), st.lists(st.integers(0, 3000), max_size=20), st.data())
def test_a_policy_that_asks_for_nothing_changes_nothing(
    state: str, repeat: bool, moments: list[int], data: st.DataObject
) -> None:
    memory = Memory()
    for at in moments:
        look = LOOKS[data.draw(st.sampled_from(sorted(LOOKS)))]
        plain = rules.decide(state, repeat, look)
        outcome = decide(Policy(), memory, state, repeat, sight_of(look), at * SECOND)
        assert outcome.verdict == plain
        memory = outcome.memory
        state = plain.state if plain else state


@given(POLICIES, STATES, st.lists(st.tuples(st.integers(0, 500), st.sampled_from("AO?ud"))))
def test_whatever_the_clock_does_no_wait_is_negative(
    policy: Policy, state: str, steps: list[tuple[int, Any]]
) -> None:
    memory = Memory()
    for at, look in steps:
        outcome = decide(policy, memory, state, True, sight_of(LOOKS[look]), at * SECOND)
        memory = outcome.memory
        state = outcome.verdict.state if outcome.verdict else state
        assert all(moment is None or 0 <= moment <= at * SECOND for moment in memory)
