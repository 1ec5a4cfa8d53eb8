"""How an alarm with a policy is decided: pure functions, no clock, no database (alarms.md 8.2).

Whatever the type, what an alarm sees comes as a `Sight`. What it does with it depends on what it
did before, which its `Memory` holds from one evaluation to the next. Without any rule of a policy
the verdict is that of the type alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from alarms.choices import State
from alarms.definition.policy import Policy
from alarms.rules import SECOND, Verdict

_STATE_OF: dict[str, str | None] = {
    "insufficient": State.INSUFFICIENT_DATA.value,
    "alarm": State.ALARM.value,
    "ok": State.OK.value,
    "keep": None,
}


class Memory(NamedTuple):
    """Microseconds since the epoch: since when the condition holds without the alarm firing, since
    when it has gone while the alarm still fires, since when there is nothing to compare, and when
    actions were last taken. None: not so."""

    pending_since: int | None = None
    recovering_since: int | None = None
    no_data_since: int | None = None
    fired_at: int | None = None


class Sight(NamedTuple):
    """What an alarm sees: `firm` is the state in which that puts it by itself (None: a mixed
    window), `trend` what the newest value says. `tell(state, changed)` is the verdict in words;
    None where the type never says so."""

    firm: str | None
    trend: str
    tell: Callable[[str, bool], Verdict | None]


class Outcome(NamedTuple):
    """`verdict` None: nothing happens but to the memory."""

    verdict: Verdict | None
    memory: Memory


class Phase(NamedTuple):
    """`name` is normal, pending, firing, recovering or no data; `since` None: since the state."""

    name: str
    since: int | None


def decide(
    policy: Policy, memory: Memory, previous: str, repeat: bool, seen: Sight, now_us: int
) -> Outcome:
    """What becomes of an alarm in state `previous`."""
    memory = _relevant(memory, previous, now_us)
    memory = memory._replace(no_data_since=_no_data_since(memory, seen, now_us))
    says = _says(policy, memory, previous, seen, now_us)
    state, memory = _settled(policy, memory, previous, says, now_us)
    changed = state != previous
    verdict = None
    if changed or (repeat and _is_time_to_repeat(policy, memory, now_us)):
        verdict = seen.tell(state, changed)
    return Outcome(verdict, memory._replace(fired_at=now_us) if verdict else memory)


def phase(state: str, memory: Memory) -> Phase:
    """Where an alarm with a policy stands between its states."""
    if state == State.ALARM:
        recovering = memory.recovering_since
        return Phase("firing", None) if recovering is None else Phase("recovering", recovering)
    if memory.pending_since is not None:
        return Phase("pending", memory.pending_since)
    if memory.no_data_since is not None or state == State.INSUFFICIENT_DATA:
        return Phase("no data", memory.no_data_since)
    return Phase("normal", None)


def _relevant(memory: Memory, previous: str, now_us: int) -> Memory:
    """Without what the state makes void. A clock that was put back begins to wait anew: no wait is
    ever shorter than was asked for because of it."""
    pending, recovering, no_data, fired = (
        None if moment is None else min(moment, now_us) for moment in memory
    )
    if previous == State.ALARM:
        return Memory(None, recovering, no_data, fired)
    return Memory(pending, None, no_data, fired)


def _no_data_since(memory: Memory, seen: Sight, now_us: int) -> int | None:
    if seen.firm != State.INSUFFICIENT_DATA:
        return None
    return now_us if memory.no_data_since is None else memory.no_data_since


def _says(policy: Policy, memory: Memory, previous: str, seen: Sight, now_us: int) -> str | None:
    """The state that counts now; None: all stays as it is.

    A mixed window holds whatever goes on; of an alarm without data it is its trend that counts.
    """
    if memory.no_data_since is not None:
        waited = now_us - memory.no_data_since >= policy.no_data_for * SECOND
        return _STATE_OF[policy.no_data] if waited else None
    if seen.firm is None and previous == State.INSUFFICIENT_DATA and memory.pending_since is None:
        return seen.trend
    return seen.firm


def _settled(
    policy: Policy, memory: Memory, previous: str, says: str | None, now_us: int
) -> tuple[str, Memory]:
    """The new state. A wait for what missing data mean began when they went missing."""
    if says is None:
        return previous, memory
    begins = now_us if memory.no_data_since is None else memory.no_data_since
    if says == State.ALARM and previous != State.ALARM:
        since = begins if memory.pending_since is None else memory.pending_since
        if now_us - since < policy.for_ * SECOND:
            return previous, memory._replace(pending_since=since)
    if says == State.OK and previous == State.ALARM:
        since = begins if memory.recovering_since is None else memory.recovering_since
        if now_us - since < policy.keep_firing_for * SECOND:
            return previous, memory._replace(recovering_since=since)
    return says, memory._replace(pending_since=None, recovering_since=None)


def _is_time_to_repeat(policy: Policy, memory: Memory, now_us: int) -> bool:
    if policy.repeat_interval is None or memory.fired_at is None:
        return True
    return now_us - memory.fired_at >= policy.repeat_interval * SECOND
