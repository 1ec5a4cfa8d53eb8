"""How composite alarms are decided: pure functions of what their parts' windows hold.

Many alarms of one form at once: a row an alarm, a column a part (alarms.md 2.4). aodh asks parts
one after the other and stops as soon as it can; which it has asked shows in the reason, so `settle`
tells that too, though all have been read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from alarms.choices import State
from alarms.definition.composite import CompositeRule, Junction, SubRule, as_document
from alarms.rules import Flags, Looks, Verdict

Codes = npt.NDArray[np.int8]
#: States of a part or an alarm as numbers; NONE is a mixed window, or a part never seen decided.
NONE, OK, ALARM, UNKNOWN = -1, 0, 1, 2
STATES: dict[int, str] = {
    OK: State.OK.value, ALARM: State.ALARM.value, UNKNOWN: State.INSUFFICIENT_DATA.value,
}  # fmt: skip
_CODES = {state: code for code, state in STATES.items()}
_BECAUSE = {
    OK: "inside their threshold.",
    ALARM: "outside their threshold.",
    UNKNOWN: "state evaluated to unknown.",
}


class Windows(NamedTuple):
    """`firm` is what each part's window says by itself, NONE where it is mixed; `trend` what its
    newest value says."""

    firm: Codes
    trend: Codes


class Settled(NamedTuple):
    """`states` of the alarms; `parts` are those of their parts, `asked` those that aodh asks."""

    states: Codes
    parts: Codes
    asked: Flags


def code_of(state: str) -> int:
    return _CODES[state]


def windows(seen: Looks) -> Windows:
    """Of the parts' numbers, in any shape that all columns share."""
    firm = np.full(seen.enough.shape, NONE, dtype=np.int8)
    firm[seen.enough & (seen.outside == seen.periods)] = ALARM
    firm[seen.enough & (seen.outside == 0)] = OK
    firm[~seen.enough] = UNKNOWN
    trend = np.where(seen.heading, ALARM, OK).astype(np.int8)
    return Windows(firm, trend)


def settle(rule: CompositeRule, seen: Windows, previous: Codes, memory: Codes) -> Settled:
    """The new states of alarms whose rules have the form of `rule`.

    1. The windows that say something firm decide, where they can.
    2. Where they can't, mixed ones get a state too: of an alarm without data their trend, else what
       `memory` has of the part, else the opposite of the trend (aodh's guess: it has not crossed
       yet).
    3. Whatever is open still is unknown.
    """
    numbers = {one.name: place for place, one in enumerate(rule.sub_rules)}
    asked = np.zeros(seen.firm.shape, dtype=np.bool_)
    states = _decided(rule, numbers, seen.firm, asked)
    opened = states == NONE
    asked |= opened[:, np.newaxis]
    parts = np.where(opened[:, np.newaxis], _guessed(seen, previous, memory), seen.firm)
    again = _decided(rule, numbers, parts, np.zeros_like(asked))
    states = np.where(opened, again, states)
    states[states == NONE] = UNKNOWN
    return Settled(states.astype(np.int8), parts.astype(np.int8), asked)


def remembered(seen: Windows, memory: Codes) -> Codes:
    """What each part's state would be if it were an alarm by itself."""
    fresh = np.where(memory == UNKNOWN, seen.trend, memory)
    result: Codes = np.where(seen.firm == NONE, fresh, seen.firm).astype(np.int8)
    return result


def _guessed(seen: Windows, previous: Codes, memory: Codes) -> Codes:
    opposite = np.where(seen.trend == ALARM, OK, ALARM)
    guess = np.where((memory == OK) | (memory == ALARM), memory, opposite)
    guess = np.where(previous[:, np.newaxis] == UNKNOWN, seen.trend, guess)
    result: Codes = np.where(seen.firm == NONE, guess, seen.firm).astype(np.int8)
    return result


def _decided(rule: CompositeRule, numbers: dict[str, int], parts: Codes, asked: Flags) -> Codes:
    """ALARM, OK or NONE a row; marks in `asked` what a lazy reader would have asked."""
    walk = _Walk(numbers, asked)
    everyone = np.ones(len(parts), dtype=np.bool_)
    alarming = walk.through(rule.root, parts == ALARM, everyone, "and")
    fine = walk.through(rule.root, parts == OK, ~alarming, "or")
    result: Codes = np.where(alarming, ALARM, np.where(fine, OK, NONE)).astype(np.int8)
    return result


class _Walk:
    """Left to right through a rule, for the rows that are still of interest."""

    def __init__(self, numbers: dict[str, int], asked: Flags) -> None:
        self.numbers = numbers
        self.asked = asked

    def through(
        self, node: Junction | SubRule, holds: Flags, rows: Flags, conjunction: str
    ) -> Flags:
        """Where the node holds, among `rows`; `conjunction` is the operator that needs all parts:
        "and", or "or" for the dual that says when all is well."""
        if isinstance(node, SubRule):
            number = self.numbers[node.name]
            self.asked[:, number] |= rows
            return rows & holds[:, number]
        needs_all = node.operator == conjunction
        open_rows, found = rows.copy(), np.zeros_like(rows)
        for part in node.parts:
            true = self.through(part, holds, open_rows, conjunction)
            found |= true
            open_rows &= true if needs_all else ~true
        return open_rows if needs_all else found


def verdict(
    previous: str, repeat: bool, rule: CompositeRule, settled: Settled, row: int
) -> Verdict | None:
    """What becomes of one of the alarms; None where nothing happens."""
    state = STATES[int(settled.states[row])]
    if state != previous:
        return tell(rule, settled, row, state, True)
    return tell(rule, settled, row, state, False) if repeat else None


def tell(
    rule: CompositeRule, settled: Settled, row: int, state: str, changed: bool
) -> Verdict | None:
    """That an alarm goes to `state`, or remains there, with the parts that say what it sees; one
    without data never says that it remains so."""
    if not changed and state == State.INSUFFICIENT_DATA:
        return None
    causes = {one.name: as_document(one) for one in _causes(rule, settled, row)}
    how = "transition to" if changed else "remaining as"
    reason = (
        f"Composite rule alarm with composition form: {rule.form} {how} {state}, "
        f"due to rules: {', '.join(sorted(causes))} {_BECAUSE[int(settled.states[row])]}"
    )
    data: dict[str, Any] = {
        "type": "composite",
        "composition_form": rule.form,
        "causative_rules": causes,
    }
    return Verdict(state, changed, reason, data)


def _causes(rule: CompositeRule, settled: Settled, row: int) -> Iterator[SubRule]:
    for place, one in enumerate(rule.sub_rules):
        if settled.asked[row, place] and settled.parts[row, place] == settled.states[row]:
            yield one
