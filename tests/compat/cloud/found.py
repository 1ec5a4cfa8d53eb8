"""What the APIs say is in the store, beside what is expected there: an outcome for each thing."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from tests.compat.cloud.expected import Event, Meter, Resource
from tests.compat.outcomes import Outcome

#: Polls that each polled meter must have been in, at least.
POLLS = 2
_LIMIT = 10_000
Sample = dict[str, Any]


@dataclass(frozen=True)
class Store:
    """All that the APIs give, as the administrator sees it."""

    resources: list[dict[str, Any]]
    samples: list[Sample]
    events: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]


def ask(root: str, token: str) -> Store:
    def get(path: str, **params: Any) -> Any:
        bearer = {"Authorization": f"Bearer {token}"}
        answer = requests.get(f"{root}/{path}", headers=bearer, params=params, timeout=60)
        answer.raise_for_status()
        return answer.json()

    return Store(
        get("metric/v1/resource/generic", limit=1000),
        get("metering/v2/samples", limit=_LIMIT),
        get("event/v2/events", limit=_LIMIT),
        get("api/sources", limit=1000)["results"],
        get("api/quarantine", limit=1000)["results"],
    )


def judged(
    store: Store, resources: Iterable[Resource], meters: Iterable[Meter], events: Iterable[Event]
) -> Iterator[Outcome]:
    wanted = list(meters)
    yield from _of_resources(store, list(resources))
    yield from _of_samples(store.samples, wanted)
    yield from _of_events(store.events, list(events))
    yield from _of_sources(store)


def _outcome(file: str, name: str, problem: str, expected: object = "") -> Outcome:
    verdict = "failed" if problem else "passed"
    return Outcome(file, name, verdict, expected=str(expected), got=problem)  # type: ignore[arg-type]


# --- resources ---------------------------------------------------------------------------------
def _of_resources(store: Store, wanted: list[Resource]) -> Iterator[Outcome]:
    newest = {sample["resource_id"]: sample for sample in reversed(store.samples)}
    found = defaultdict(list)
    for row in store.resources:
        found[row["original_resource_id"]].append(row)
    for one in wanted:
        problem = _problem_of_resource(one, found.get(one.id, []), newest.get(one.id))
        yield _outcome("resources", f"{one.type} {one.id}", problem, one)
    more = sorted(found.keys() - {one.id for one in wanted})
    yield _outcome("resources", "none else", ", ".join(more))


def _problem_of_resource(one: Resource, rows: list[dict[str, Any]], sample: Sample | None) -> str:
    if len(rows) != 1 or sample is None:
        return f"{len(rows)} resources, sample: {sample}"
    (row,) = rows
    got = {"type": row["type"], "project": row["project_id"], "user": row["user_id"]}
    problems = [
        f"{name} is {value!r}"
        for name, value in got.items()
        if getattr(one, name) not in (..., value)
    ]
    if row["ended_at"]:
        problems.append(f"ended at {row['ended_at']}")
    metadata: Mapping[str, str] = sample["metadata"]
    problems += [
        f"metadata {name} is {metadata.get(name)!r}"
        for name, value in one.metadata.items()
        if metadata.get(name) != value
    ]
    return "; ".join(problems)


# --- samples -----------------------------------------------------------------------------------
def _of_samples(samples: list[Sample], wanted: list[Meter]) -> Iterator[Outcome]:
    found: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in sorted(samples, key=lambda one: str(one["timestamp"])):
        found[sample["resource_id"], sample["meter"]].append(sample)
    for one in wanted:
        problem = _problem_of_meter(one, found.get((one.resource, one.name), []))
        yield _outcome("samples", f"{one.name} of {one.resource}", problem, one)
    more = found.keys() - {(one.resource, one.name) for one in wanted}
    yield _outcome("samples", "none else", ", ".join(f"{meter} of {one}" for one, meter in more))


def _problem_of_meter(one: Meter, samples: list[Sample]) -> str:
    if not samples:
        return "no sample"
    kinds = {(sample["type"], sample["unit"] or "") for sample in samples}
    values = [float(sample["volume"]) for sample in samples]
    if kinds != {(one.type, one.unit)}:
        return f"type and unit are {kinds}"
    if min(values) < 0 or (one.values and set(values) - set(one.values)):
        return f"values are {values}"
    if not one.polled and not one.values and Counter(values) != Counter(map(float, one.told)):
        return f"values are {values}"
    if one.polled and len(values) < POLLS + len(one.told):
        return f"{len(values)} samples only: {values}"
    if one.last is not None and values[-1] != one.last:
        return f"the last of {values}"
    if one.grows and (values != sorted(values) or values[-1] <= values[0]):
        return f"does not grow: {values}"
    return ""


# --- events ------------------------------------------------------------------------------------
def _of_events(events: list[dict[str, Any]], wanted: list[Event]) -> Iterator[Outcome]:
    """Each expectation takes what fits it away; what is left is more than there should be."""
    left = [(event, {each["name"]: each["value"] for each in event["traits"]}) for event in events]
    for one in wanted:
        fitting = [pair for pair in left if _fits(one, *pair)]
        left = [pair for pair in left if pair not in fitting]
        is_right = bool(fitting) if one.several else len(fitting) == 1
        name = " ".join([one.type, *one.traits.values()])
        near = [traits for event, traits in left if event["event_type"] == one.type]
        problem = "" if is_right else f"{len(fitting)} events; not fitting: {near[:3]}"
        yield _outcome("events", name, problem, one)
    more = Counter(event["event_type"] for event, _ in left)
    problem = "; ".join(f"{kind} ({count})" for kind, count in more.items())
    yield _outcome("events", "none else", f"{problem} {left[:2]}" if left else "")


def _fits(one: Event, event: Mapping[str, Any], traits: Mapping[str, str]) -> bool:
    return event["event_type"] == one.type and one.traits.items() <= traits.items()


# --- what our own pages say --------------------------------------------------------------------
def _of_sources(store: Store) -> Iterator[Outcome]:
    for source in store.sources:
        problem = "" if source["outcome"] == "ok" else f"{source['outcome']}: {source['errors']}"
        yield _outcome("sources", f"{source['kind']} {source['name']}", problem)
    kinds = {source["kind"] for source in store.sources}
    lacking = {"compute", "pollster", "notification"} - kinds
    yield _outcome("sources", "each kind", ", ".join(sorted(lacking)))
    reasons = [f"{row['reason']}: {row['detail']}" for row in store.quarantine]
    yield _outcome("sources", "nothing is in quarantine", "; ".join(reasons[:5]))


def wait_until(moment: float, still_well: Callable[[], None]) -> None:
    """Until a `time.monotonic()`; asks every second whether there is anything to wait for."""
    while (left := moment - time.monotonic()) > 0:
        still_well()
        time.sleep(min(left, 1.0))
