"""Random samples, and random questions about them; each seed gives the same again."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

SEEDS = (1, 2, 3)
SAMPLES, QUESTIONS = 120, 50
#: Of a meter that two resources have in two units.
TWO_UNITS, UNITS = "memory", (("r1", "MB"), ("r4", "GB"))
METERS = {"cpu_util": ("gauge", "%"), "disk.size": ("cumulative", "B")}
RESOURCES = ("r1", "r2", "r3", "r4")
PROJECTS, USERS, SOURCES = ("p1", "p2"), ("u1", "u2", "u3"), ("openstack", "lab")
FLAVORS = ("m1", "m2", None)
SPAN_US = 5 * 86_400_000_000
#: Whole days before now, so that no retention and no clock has a say.
DAYS_AGO = 30
FIELDS = ("resource_id", "project_id", "user_id", "resource_metadata.instance_type")
AGGREGATES = (
    ("cardinality", "resource_id"), ("cardinality", "user_id"), ("cardinality", "project_id"),
    ("max", ""), ("min", ""), ("sum", ""), ("avg", ""), ("count", ""), ("stddev", ""),
)  # fmt: skip
PERIODS = (900, 3_600, 7_919, 86_400, 400_000)


class Question(NamedTuple):
    """`title` names what is in it; differences that are meant are found by that."""

    title: str
    path: str


@lru_cache
def begin_us() -> int:
    return int(datetime.now(UTC).timestamp()) // 86_400 * 86_400_000_000 - DAYS_AGO * 86_400_000_000


def text_of(moment_us: int) -> str:
    seconds, micros = divmod(moment_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros, tzinfo=None)
    return moment.isoformat()


@lru_cache
def samples(seed: int) -> list[dict[str, Any]]:
    """In the order of time. No two at one time: what describes a resource at a time, describes
    it for all of its meters, until it is described otherwise.
    """
    rng = random.Random(seed)
    times = sorted(rng.sample(range(SPAN_US), SAMPLES))
    found = []
    for offset in times:
        name = rng.choice(list(METERS))
        kind, unit = METERS[name]
        resource = rng.choice(RESOURCES)
        flavor = rng.choice(FLAVORS)
        metadata = {"display_name": f"vm {resource}"} | (
            {"instance_type": flavor} if flavor else {}
        )
        found.append({
            "counter_name": name, "counter_type": kind,
            "counter_unit": unit,
            "counter_volume": rng.choice([rng.uniform(-5, 100), float(rng.randrange(10)), 1e9]),
            "resource_id": resource, "project_id": rng.choice(PROJECTS),
            "user_id": rng.choice(USERS), "source": rng.choice(SOURCES),
            "resource_metadata": metadata, "timestamp_us": begin_us() + offset,
        })  # fmt: skip
    for place in range(0, SAMPLES, 10):
        resource, unit = rng.choice(UNITS)
        one = {"counter_name": TWO_UNITS, "counter_unit": unit, "resource_id": resource}
        at = found[place]["timestamp_us"] + 1
        found.append({**found[place], **one, "timestamp_us": at})
    return sorted(found, key=lambda one: one["timestamp_us"])


def questions(seed: int) -> list[Question]:
    rng = random.Random(1000 + seed)
    found = [_question(rng, seed, number) for number in range(QUESTIONS)]
    one = samples(seed)[0]
    lone = [("timestamp", "ge", text_of(one["timestamp_us"])),
            ("timestamp", "le", text_of(one["timestamp_us"]))]  # fmt: skip
    last = max(each["timestamp_us"] for each in samples(seed) if each["counter_name"] == "cpu_util")
    whole = [("timestamp", "ge", text_of(last - 7_200_000_000)), ("timestamp", "le", text_of(last))]
    return [
        *found,
        _asked("one sample", one["counter_name"], lone, []),
        _asked("one sample, by period", one["counter_name"], lone, [("period", 600)]),
        _asked("a sample at the end of the last period", "cpu_util", whole, [("period", 3600)]),
        _asked("two units", TWO_UNITS, [], []),
        _asked("two units, by period", TWO_UNITS, [], [("period", 7_919)]),
        _asked("groupby source", "cpu_util", [], [("groupby", "source")]),
        _asked("a meter that is none", "nothing", [], []),
        _asked("a field that is none", "cpu_util", [("harpoon", "eq", "x")], []),
        _asked("a function that is none", "cpu_util", [], [("aggregate.func", "mmm")]),
        _asked("groupby of what is none", "cpu_util", [], [("groupby", "wtf")]),
        _asked("a period below zero", "cpu_util", [], [("period", -1)]),
    ]


def _question(rng: random.Random, seed: int, number: int) -> Question:
    words, terms, more = [f"{number}"], [], []
    if rng.random() < 0.6:
        period = rng.choice(PERIODS)
        words.append(f"period {period}")
        more.append(("period", period))
    for field in rng.sample(FIELDS, rng.choice([0, 0, 1, 1, 2])):
        words.append(f"groupby {field}")
        more.append(("groupby", field))
    if rng.random() < 0.5:
        # Those with a parameter first: columns are filled from the front.
        some = sorted(rng.sample(AGGREGATES, rng.randrange(1, 5)), key=lambda one: not one[1])
        words.append("aggregates")
        more += [("aggregate.func", name) for name, _ in some]
        more += [("aggregate.param", parameter) for _, parameter in some if parameter]
    for field, values in (("project", PROJECTS), ("user", USERS), ("resource", RESOURCES),
                          ("metadata.instance_type", FLAVORS[:2])):  # fmt: skip
        if rng.random() < 0.2:
            words.append(field)
            terms.append((field, "eq", rng.choice(values)))
    start = begin_us() + rng.randrange(SPAN_US // 2)
    stop = start + rng.randrange(SPAN_US // 2)
    for operators, at in ((("ge", "gt"), start), (("le", "lt"), stop)):
        if rng.random() < 0.4:
            operator = rng.choice(operators)
            words.append(f"{operator} a time")
            terms.append(("timestamp", operator, text_of(at)))
    if any(field == "timestamp" for field, _, _ in terms) and rng.random() < 0.3:
        words.append("search_offset")
        terms.append(("search_offset", "eq", str(rng.choice([10, 90, 1440]))))
    return _asked(", ".join(words), rng.choice(list(METERS)), terms, more)


def _asked(
    title: str, meter: str, terms: list[tuple[str, str, str]], more: list[tuple[str, Any]]
) -> Question:
    names = ("q.field", "q.op", "q.value")
    pairs = [pair for term in terms for pair in zip(names, term, strict=True)]
    query = urlencode([*pairs, *more])
    return Question(title, f"/v2/meters/{meter}/statistics" + (f"?{query}" if query else ""))
