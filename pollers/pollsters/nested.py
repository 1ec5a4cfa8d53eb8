"""Extra metadata of an entry: further requests, whose answers are remembered for a while."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Any

from pollers.errors import PollersError
from pollers.pollsters.asking import Asker, targets
from pollers.pollsters.definition import DEEPEST, Pollster, Text
from pollers.pollsters.discovery import default_discovery, discover
from pollers.pollsters.entries import (
    EntryError,
    entries_of,
    metadata_of,
    readings_of,
    skips_nested,
    with_ids,
)
from telemetry_site.expressions import EvaluationError, Variables

MOST_REMEMBERED = 10_000
#: Answers of one place are the same for all that ask in the same way.
_ANY_PATH = Text("")


class AnswerCache:
    """Answers by where they came from. Not thread-safe: one a source."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, seconds: float, ask: Callable[[], Any]) -> Any:
        """What is remembered under `key`, else what `ask` gives; 0 seconds remember nothing."""
        now = self._clock()
        until, answer = self._kept.get(key, (0.0, None))
        if now < until:
            return answer
        answer = ask()
        if seconds > 0:
            if len(self._kept) >= MOST_REMEMBERED:
                self._kept = {one: kept for one, kept in self._kept.items() if kept[0] > now}
            if len(self._kept) >= MOST_REMEMBERED:
                self._kept.clear()
            self._kept[key] = now + seconds, answer
        return answer


class ExtraMetadata:
    """Asks for what hangs on the samples of one poll. `problems` counts sentences."""

    def __init__(self, asker: Asker, cache: AnswerCache, problems: Counter[str]) -> None:
        self._asker = asker
        self._cache = cache
        self._problems = problems

    def of(
        self, pollster: Pollster, entry: dict[str, Any], value: Any, metadata: dict[str, Any]
    ) -> dict[str, Any]:
        """The metadata with what the nested pollsters add; those that are there win."""
        if not pollster.nested or skips_nested(pollster, entry):
            return metadata
        sample = {**entry, "value": value, "metadata": metadata}
        return {**self._captured(pollster, sample, DEEPEST), **metadata}

    def _captured(self, parent: Pollster, sample: dict[str, Any], depth: int) -> dict[str, Any]:
        captured: dict[str, Any] = {}
        by_name: dict[str, Any] = {}
        for nested in parent.nested if depth else ():
            variables = {
                "sample": sample, "extra_metadata_captured": captured,
                "extra_metadata_by_name": by_name, **nested.base_metadata,
            }  # fmt: skip
            try:
                value, metadata = self._one(nested, variables, parent.nested_cache_s, depth)
            except (PollersError, EvaluationError) as error:
                self._problems[f"{nested.name}: {error}"] += 1
                continue
            by_name[nested.name] = {"value": value, "metadata": metadata}
            for key, found in ((nested.name, value), *metadata.items()):
                if found is not None or key not in captured:
                    captured[key] = found
        return captured

    def _one(
        self, nested: Pollster, variables: Variables, cache_s: float, depth: int
    ) -> tuple[Any, dict[str, Any]]:
        entry = self._entry(nested, variables, cache_s)
        mapped = with_ids(nested, entry, variables)
        raw = _raw_value(nested, mapped, variables)
        metadata = metadata_of(nested, mapped, variables)
        if nested.nested:
            sample = {**mapped, "value": raw, "metadata": metadata}
            metadata = {**self._captured(nested, sample, depth - 1), **metadata}
        return raw, metadata

    def _entry(self, nested: Pollster, variables: Variables, cache_s: float) -> Any:
        """The first entry of the first endpoint that has one."""
        request = nested.request
        found = discover(self._asker, default_discovery(request))
        for target in targets(self._asker, request, found):
            where = self._asker.where(request, target, variables)
            entries = self._cache.get(
                (where, _entries_text(nested), replace(request, path=_ANY_PATH)), cache_s,
                partial(self._first, nested, where),
            )  # fmt: skip
            for entry in entries:
                return entry
        raise EntryError("nothing was found")

    def _first(self, nested: Pollster, where: str) -> list[Any]:
        """All that is used of an answer, and so all that is remembered of it."""
        return entries_of(nested, self._asker.answer(nested.request, where))[:1]


def _entries_text(nested: Pollster) -> str:
    return nested.entries.text if nested.entries else ""


def _raw_value(nested: Pollster, entry: dict[str, Any], variables: Variables) -> Any:
    """As it is found: metadata need no number, but a mapping of values is kept to."""
    if nested.values.mapping:
        for reading in readings_of(nested, entry, variables):
            if isinstance(reading, EntryError):
                raise reading
            return reading.value
        return None
    try:
        return nested.value.find(entry, variables)
    except EvaluationError as error:
        raise EntryError(str(error)) from error
