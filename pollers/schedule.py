"""When an agent polls: at the beat's ticks, and by itself when they stay away (rules A2, A3)."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from pollers import poll_metrics, slots
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

#: Without a tick for this many intervals the agent polls by itself.
PATIENCE = 1.5


@dataclass(frozen=True)
class State:
    """What must survive a restart, in seconds since the epoch."""

    last_slot: float | None = None
    last_tick: float | None = None


class Schedule:
    """Hands out each slot at most once, across threads, processes and restarts.

    The state is a small file, read and replaced under a lock, so that a pool's processes and the
    fallback thread agree. All decisions take `now` (seconds since the epoch) as an argument.
    """

    def __init__(
        self, path: Path, interval_s: float, offset_s: float, started: float,
        patience: float = PATIENCE, shared: bool = False, tick_s: float | None = None,
    ) -> None:  # fmt: skip
        """`shared`: other agents poll other slots of the same source, so none counts as missed.

        `tick_s` is the time between two ticks where that is not the interval.
        """
        self.shared = shared
        self.interval_s = interval_s
        self.offset_s = offset_s
        self._path = path
        self._memory = State()
        self._complained = False
        self._thread_lock = threading.Lock()
        self._started = started
        self._tick_s = tick_s or interval_s
        self._patience_s = patience * self._tick_s

    def take_tick(self, now: float) -> float | None:
        """A tick came: the slot to poll now, or None when it is done already."""
        with self._locked() as state:
            last = self._sane(state.last_slot, now)
            slot = slots.slot_for_tick(now, self.interval_s, self.offset_s, last, self._tick_s)
            self._save(State(last if slot is None else slot, now))
        poll_metrics.LAST_TICK.set(now)
        self._count_missed(last, slot)
        return slot

    def heard(self, now: float) -> None:
        """Until now nobody could hear a tick, since the last one's poll was on: be patient anew."""
        with self._locked() as state:
            self._save(replace(state, last_tick=now))

    def take_due(self, now: float) -> float | None:
        """No tick: the slot to poll now because the ticks stay away, or None."""
        with self._locked() as state:
            if not self.alone(now, state):
                return None
            last = self._sane(state.last_slot, now)
            slot = slots.slot_at(now, self.interval_s, self.offset_s)
            if last is not None and slot < last + self.interval_s / 2:
                return None
            self._save(replace(state, last_slot=slot))
        poll_metrics.POLL_FALLBACK.inc()
        self._count_missed(last, slot)
        return slot

    def is_done(self, slot: float) -> bool:
        """Whether this agent has polled that slot, or a later one."""
        last = self._sane(self.state().last_slot, slot)
        return last is not None and last > slot - self.interval_s / 2

    def done(self, slot: float) -> None:
        """The slot was polled, and what it gave is on disk."""
        with self._locked() as state:
            self._save(replace(state, last_slot=slot))

    def alone(self, now: float, state: State | None = None) -> bool:
        """Whether no tick came for `patience` intervals (nor since this process started)."""
        state = state or self.state()
        heard = max(self._started, self._sane(state.last_tick, now) or 0)
        return now - heard > self._patience_s

    def next_look(self, now: float) -> float:
        """Seconds until `take_due` is worth asking again: just after the next slot."""
        following = slots.slot_at(now, self.interval_s, self.offset_s) + self.interval_s
        return max(following - now, 0.05)

    def state(self) -> State:
        """The file's state, or this process's own where the file can't be had."""
        if self._complained:
            return self._memory
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except (OSError, msgspec.MsgspecError) as error:
            log.warning(
                "schedule file unreadable, begun anew", path=str(self._path), error=str(error)
            )
            return self._memory

    def _sane(self, moment: float | None, now: float) -> float | None:
        """A remembered time in the future means that the clock was set back: forget it."""
        return None if moment is None or moment > now + self.interval_s else moment

    def _count_missed(self, last: float | None, slot: float | None) -> None:
        if slot is not None and not self.shared:
            missed = slots.missed_between(last, slot, self.interval_s)
            poll_metrics.POLL_MISSED.labels("no_poll").inc(missed)

    @contextmanager
    def _locked(self) -> Iterator[State]:
        with self._thread_lock, ExitStack() as files:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = files.enter_context(open(self._path.with_suffix(".lock"), "w"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                self._complain(error)
            yield self.state()

    def _save(self, state: State) -> None:
        """Replace the file. Where the disk refuses, this process at least remembers."""
        self._memory = state
        made = self._path.with_suffix(".new")
        try:
            made.write_bytes(msgspec.json.encode(state))
            os.replace(made, self._path)
            self._complained = False
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            log.warning("schedule file can't be written", path=str(self._path), error=str(error))
        self._complained = True


Due = TypeVar("Due")
Due_co = TypeVar("Due_co", covariant=True)


class Clockwork(Protocol[Due_co]):
    """A `Schedule`, or several."""

    def take_due(self, now: float) -> Due_co | None: ...

    def alone(self, now: float) -> bool: ...

    def next_look(self, now: float) -> float: ...


class Fallback(Generic[Due]):
    """The thread that polls at the schedule's slots while no ticks come. Says so once a change.

    `is_polling` says whether a poll is on: then no tick can be heard, and no other poll may begin.
    """

    def __init__(
        self,
        schedule: Clockwork[Due],
        poll: Callable[[Due], object],
        is_polling: Callable[[], bool] = lambda: False,
    ) -> None:
        self._schedule = schedule
        self._poll = poll
        self._is_polling = is_polling
        self._stopping = threading.Event()
        self._alone = False
        self._thread = threading.Thread(target=self._run, name="fallback", daemon=True)

    def start(self) -> Fallback[Due]:
        self._thread.start()
        return self

    def stop(self, within_s: float = 10.0) -> None:
        self._stopping.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._stopping.wait(self._schedule.next_look(now_us() / 1e6)):
            self.look(now_us() / 1e6)

    def look(self, now: float) -> None:
        """Poll if a slot is due at `now` and nobody ticked."""
        if self._is_polling():
            return
        slot = self._schedule.take_due(now)
        self._say(self._schedule.alone(now))
        if slot is not None:
            try:
                self._poll(slot)
            except Exception:  # this thread is what polls while all else is away: it must go on
                log.exception("poll without a tick failed")
                poll_metrics.POLL_MISSED.labels("error").inc()

    def _say(self, alone: bool) -> None:
        if alone and not self._alone:
            log.warning("no tick of the beat: the agent polls by itself")
        elif self._alone and not alone:
            log.info("the beat ticks again")
        self._alone = alone
