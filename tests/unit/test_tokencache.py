"""What is remembered of Keystone's answers: how long, how many, and asked for how often."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_site.auth import tokencache
from telemetry_site.auth.caller import of_project
from telemetry_site.auth.tokencache import REFUSED_S, TokenCache, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
FAR = START + timedelta(days=1)


class Cloud:
    """Stands for Keystone and for both clocks: who a token belongs to is what a test says."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.time = 0.0
        self.asked: list[str] = []
        self.owners: dict[str, tuple[str, datetime]] = {}
        self.cache = TokenCache(
            self.answer, seconds, lambda: self.time, lambda: START + timedelta(seconds=self.time)
        )

    def answer(self, token: str) -> Verdict | None:
        self.asked.append(token)
        if token not in self.owners:
            return None
        user, expires_at = self.owners[token]
        return Verdict(of_project(user, "p", frozenset()), expires_at)

    def user(self, token: str) -> str | None:
        caller = self.cache.caller(token)
        return caller and caller.user_id


def test_a_good_answer_is_remembered_so_many_seconds() -> None:
    cloud = Cloud()
    cloud.owners["t"] = "joe", FAR
    for cloud.time in (0, 1, 59.9):
        assert cloud.user("t") == "joe"
    assert cloud.asked == ["t"]
    del cloud.owners["t"]
    cloud.time = 60
    assert cloud.user("t") is None
    assert cloud.asked == ["t", "t"]


def test_a_refusal_is_remembered_five_seconds() -> None:
    cloud = Cloud()
    assert cloud.user("t") is None
    cloud.owners["t"] = "joe", FAR
    cloud.time = REFUSED_S - 0.1
    assert cloud.user("t") is None
    cloud.time = REFUSED_S
    assert cloud.user("t") == "joe"
    assert len(cloud.asked) == 2


def test_never_beyond_the_tokens_own_end() -> None:
    cloud = Cloud()
    cloud.owners["t"] = "joe", START + timedelta(seconds=10)
    assert cloud.user("t") == "joe"
    cloud.time = 9.9
    assert cloud.user("t") == "joe"
    cloud.time = 10
    assert cloud.user("t") is None


def test_the_time_counts_from_the_question() -> None:
    """The answer may have been on its way for long."""
    cloud = Cloud()
    cloud.owners["t"] = "joe", FAR
    original = cloud.answer

    def slow(token: str) -> Verdict | None:
        cloud.time += 30
        return original(token)

    cloud.cache._ask = slow
    assert cloud.user("t") == "joe"
    cloud.time = 60
    cloud.user("t")
    assert len(cloud.asked) == 2


def test_zero_seconds_is_no_memory() -> None:
    cloud = Cloud(0)
    cloud.owners["t"] = "joe", FAR
    for _ in range(3):
        assert cloud.user("t") == "joe"
        assert cloud.user("bad") is None
    assert len(cloud.asked) == 6


def test_a_flood_of_bad_tokens_drives_no_good_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokencache, "MOST_ENTRIES", 100)
    cloud = Cloud()
    cloud.owners["t"] = "joe", FAR
    cloud.user("t")
    for number in range(1000):
        assert cloud.user(f"bad{number}") is None
    assert len(cloud.cache) == 101
    assert cloud.user("t") == "joe"
    assert cloud.asked.count("t") == 1


def test_of_too_many_good_ones_the_oldest_answers_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokencache, "MOST_ENTRIES", 3)
    cloud = Cloud()
    for name in "abcd":
        cloud.owners[name] = name, FAR
        cloud.user(name)
    assert len(cloud.cache) == 3
    for name in "bcd":
        cloud.user(name)
    assert cloud.asked == list("abcd")
    cloud.user("a")
    assert cloud.asked == list("abcda")


def test_no_token_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    cloud.owners["the token itself"] = "joe", FAR
    cloud.user("the token itself")
    cloud.user("another one")
    kept = repr([vars(store) for store in (cloud.cache._good, cloud.cache._bad)])
    assert "joe" in kept
    assert "the token itself" not in kept
    assert "another one" not in kept


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 30)),
        st.tuples(st.just("ask"), st.sampled_from("abc")),
        st.tuples(st.just("give"), st.sampled_from("abc"), st.floats(1, 300)),
        st.tuples(st.just("revoke"), st.sampled_from("abc")),
    ),
    max_size=60,
)


@given(steps=STEPS, seconds=st.sampled_from([0, 1, 10, 60]))
def test_an_answer_was_true_not_long_ago(steps: list[Any], seconds: int) -> None:
    """A good one within the cache's time and before the token's end, a bad one within five s."""
    cloud = Cloud(seconds)
    good: dict[str, tuple[float, float]] = {}  # token → from when until when it is good
    own_end: dict[str, float] = {}
    for step in steps:
        now = cloud.time
        match step:
            case "wait", float() as pause:
                cloud.time += pause
            case "give", str() as name, float() as life if name not in good:
                good[name] = now, now + life
                own_end[name] = now + life
                cloud.owners[name] = name, START + timedelta(seconds=now + life)
            case "revoke", str() as name if name in good:
                good[name] = good[name][0], min(now, good[name][1])
                cloud.owners.pop(name, None)
            case "ask", str() as name:
                begin, end = good.get(name, (float("inf"), float("inf")))
                if cloud.user(name) is None:
                    assert not (begin <= now - min(seconds, REFUSED_S) and end > now)
                else:
                    assert begin <= now
                    assert end > now - seconds
                    assert own_end[name] > now


# --- threads -------------------------------------------------------------------------------
class SlowCloud:
    """Answers when it is let."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.reached = threading.Semaphore(0)
        self.let = threading.Event()
        self.error = error
        self.cache = TokenCache(self.answer, 60.0)

    def answer(self, token: str) -> Verdict | None:
        self.asked.append(token)
        self.reached.release()
        assert self.let.wait(30)
        if self.error:
            raise self.error
        return Verdict(of_project(token, "p", frozenset()), datetime.now(UTC) + timedelta(hours=1))


def waiting_for(cloud: SlowCloud, token: str, threads: int) -> None:
    """Returns when so many threads wait for one answer."""
    (flight,) = cloud.cache._flights.values()
    for _ in range(3000):
        with flight._condition:
            if len(flight._condition._waiters) == threads:  # type: ignore[attr-defined]
                return
        threading.Event().wait(0.01)
    raise AssertionError("they do not wait")


def test_one_question_is_on_its_way_for_a_token_whoever_brings_it() -> None:
    cloud = SlowCloud()
    with ThreadPoolExecutor(9) as pool:
        callers = [pool.submit(cloud.cache.caller, "t") for _ in range(8)]
        assert cloud.reached.acquire(timeout=30)
        waiting_for(cloud, "t", 7)
        other = pool.submit(cloud.cache.caller, "other")
        assert cloud.reached.acquire(timeout=30), "another token waits for nobody"
        cloud.let.set()
        found = {one.result(30) for one in callers}
    assert [caller.user_id for caller in found if caller] == ["t"]
    assert other.result(30).user_id == "other"  # type: ignore[union-attr]
    assert sorted(cloud.asked) == ["other", "t"]
    assert not cloud.cache._flights


def test_all_who_wait_learn_that_there_was_no_answer_and_the_next_asks_again() -> None:
    cloud = SlowCloud(ConnectionError("away"))
    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(cloud.cache.caller, "t") for _ in range(4)]
        assert cloud.reached.acquire(timeout=30)
        waiting_for(cloud, "t", 3)
        cloud.let.set()
        for one in callers:
            with pytest.raises(ConnectionError, match="away"):
                one.result(30)
    assert cloud.asked == ["t"]
    cloud.error = None
    assert cloud.cache.caller("t")
    assert cloud.asked == ["t", "t"]
