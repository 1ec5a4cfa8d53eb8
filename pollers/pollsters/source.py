"""Pollsters that share a request, as one source: ask, convert, tell what happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from meters import wire
from pollers.batch import BatchBuilder
from pollers.errors import SourceError
from pollers.polls import Findings
from pollers.pollsters.asking import Asker, Target, targets
from pollers.pollsters.cloud import Cloud
from pollers.pollsters.definition import Pollster
from pollers.pollsters.discoveries import OWN_LISTS
from pollers.pollsters.discovery import default_discovery, discover
from pollers.pollsters.entries import (
    EntryError,
    entries_of,
    metadata_of,
    readings_of,
    unit_of,
    with_ids,
)
from pollers.pollsters.fetching import Deadline, Explanation, Fetcher, FetchError, new_session
from pollers.pollsters.nested import AnswerCache, ExtraMetadata
from pollers.scrub import Notes, scrubbed

#: Entries of one poll and pollster; the rest is left out and said.
MAX_ENTRIES = 200_000
#: Nothing at an account that does not exist yet is no trouble.
NOT_THERE = 404
FORBIDDEN = 403
#: Service type → the role that lets a login read what is in all projects.
ROLES = {"object-store": "ResellerAdmin"}


class PollsterSource:
    """`name` is what the sources page calls it; `resources` and `discovery` are polling.yaml's."""

    kind = "pollster"

    def __init__(
        self, name: str, pollsters: Sequence[Pollster], cloud: Cloud | None, deadline_s: float,
        resources: Sequence[str] = (), discovery: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.name = name
        self.pollsters = list(pollsters)
        self.explanation = Explanation()
        self._request = self.pollsters[0].request
        self._cloud = cloud
        self._deadline_s = deadline_s
        self._resources = list(resources)
        self._discovery = [one for one in discovery if one not in OWN_LISTS]
        self._cache = AnswerCache()
        self._session = new_session()

    def poll(self, builder: BatchBuilder) -> Findings:
        self.explanation = Explanation()
        fetcher = Fetcher(self._session, Deadline(self._deadline_s), self.explanation)
        poll = _Poll(self.pollsters, Asker(fetcher, self._cloud), self._cache, builder)
        found = self._found(poll.asker)
        places = targets(poll.asker, self._request, found)
        if not places:
            what = self._request.endpoint_type
            found_by = ", ".join(self._discovery) or default_discovery(self._request)
            reason = f"no {what} is in the catalogue" if what else f"{found_by} finds nothing"
            self.explanation.say(f"nothing to ask: {reason}")
            return Findings([], {"skipped": reason})
        for place in places:
            poll.at(place)
        return poll.findings(len(places))

    def close(self) -> None:
        self._session.close()

    def _found(self, asker: Asker) -> list[Any]:
        """Static resources and those of the file's discoveries, else the pollster's own."""
        found: list[Any] = list(self._resources)
        for name in self._discovery:
            found += discover(asker, name)
        if found or self._resources or self._discovery:
            return found
        return discover(asker, default_discovery(self._request))


class _Poll:
    """One poll: its tally, its samples."""

    def __init__(
        self, pollsters: list[Pollster], asker: Asker, cache: AnswerCache, builder: BatchBuilder
    ) -> None:
        self.asker = asker
        self._pollsters = pollsters
        self._builder = builder
        self._problems: Counter[str] = Counter()
        self._extra = ExtraMetadata(asker, cache, self._problems)
        self._counts: Counter[str] = Counter()
        self._taken: Counter[str] = Counter()
        self._notes: Notes = Notes()
        self._failed: dict[tuple[str, int], list[str]] = {}

    def at(self, target: Target) -> None:
        """Ask there; what goes wrong is remembered and stops nothing else."""
        try:
            for page in self.asker.pages(self._pollsters[0], target, {}):
                for pollster in self._pollsters:
                    self._take_page(pollster, page, target)
                if all(self._is_full(pollster) for pollster in self._pollsters):
                    return
        except FetchError as error:
            if error.status == NOT_THERE and self._may_lack(target):
                self._counts["not_there"] += 1
                return
            self._failed.setdefault((target.endpoint, error.status), []).append(str(error))
        except SourceError as error:
            self._failed.setdefault((target.endpoint, 0), []).append(str(error))

    def _may_lack(self, target: Target) -> bool:
        """A project that never used the service, or a part that this cloud does not have."""
        return isinstance(target.resource, dict) or self._pollsters[0].request.optional

    def _is_full(self, pollster: Pollster) -> bool:
        return self._taken[pollster.name] >= MAX_ENTRIES

    def _take_page(self, pollster: Pollster, page: Any, target: Target) -> None:
        try:
            entries = entries_of(pollster, page)
        except (EntryError, RecursionError) as error:
            self._problems[f"{pollster.name}: {_why(error)}"] += 1
            return
        left = MAX_ENTRIES - self._taken[pollster.name]
        if len(entries) > left:
            entries = entries[:left]
            text = f"more than {MAX_ENTRIES} entries, the rest is left out"
            self._problems[f"{pollster.name}: {text}"] = 1
        self._taken[pollster.name] += len(entries)
        before = self._builder.samples
        for entry in entries:
            try:
                self._take(pollster, entry, target)
            except (EntryError, RecursionError) as error:
                self._problems[f"{pollster.name}: {_why(error)}"] += 1
        made = self._builder.samples - before
        self.asker.fetcher.explanation.say(
            f"{pollster.name}: {len(entries)} entries, {made} samples"
        )
        self._counts["entries"] += len(entries)

    def _take(self, pollster: Pollster, entry: Any, target: Target) -> None:
        variables = {
            "resource": target.resource, "endpoint": target.endpoint, **pollster.base_metadata,
        }  # fmt: skip
        mapped = with_ids(pollster, entry, variables)
        readings = list(readings_of(pollster, mapped, variables))
        if not readings:
            self._counts["skipped_by_value"] += 1
            return
        resource: wire.Resource | None = None
        for reading in readings:
            if isinstance(reading, EntryError):
                self._problems[f"{pollster.name}: {reading}"] += 1
            elif reading.value is None:
                self._counts["without_value"] += 1
            else:
                resource = resource or self._resource(pollster, mapped, reading.value, variables)
                self._builder.add(
                    resource, reading.meter, reading.value, self._builder.slot_us,
                    unit_of(pollster, mapped, variables), pollster.sample_type,
                )  # fmt: skip

    def _resource(
        self, pollster: Pollster, entry: dict[str, Any], value: float, variables: dict[str, Any]
    ) -> wire.Resource:
        identity = entry.get("id")
        if isinstance(identity, bool) or not isinstance(identity, str | int) or identity == "":
            raise EntryError(f"the resource's id is {identity!r:.80}")
        metadata = metadata_of(pollster, entry, variables)
        metadata = self._extra.of(pollster, entry, value, metadata)
        return wire.Resource(
            str(identity), _owner(entry.get("project_id")), _owner(entry.get("user_id")),
            pollster.resource_type, scrubbed(metadata, self._notes),
        )  # fmt: skip

    def findings(self, places: int) -> Findings:
        """Raises `SourceError` where nothing at all was answered."""
        problems = [self._failure(key, texts) for key, texts in self._failed.items()]
        if problems and sum(map(len, self._failed.values())) == places:
            raise SourceError("; ".join(problems))
        for text, count in [*self._problems.items(), *self._notes.items()]:
            problems.append(f"{text} ({count} times)" if count > 1 else text)
        explanation = self.asker.fetcher.explanation
        details: dict[str, Any] = {"requests": explanation.requests, **self._counts}
        return Findings(problems, details)

    def _failure(self, key: tuple[str, int], texts: list[str]) -> str:
        """One sentence for all that an endpoint refused in one way."""
        text = texts[0]
        if len(texts) > 1:
            text += f" (and {len(texts) - 1} more of the kind)"
        if key[0] and key[1] == FORBIDDEN and not self._pollsters[0].request.module:
            role = ROLES.get(self._pollsters[0].request.endpoint_type, "admin")
            text += f": the login {self.asker.login!r} lacks a role there, usually {role}"
        return text


def _owner(value: Any) -> str | None:
    is_one = isinstance(value, str | int) and not isinstance(value, bool) and value != ""
    return str(value) if is_one else None


def _why(error: EntryError | RecursionError) -> str:
    return str(error) if isinstance(error, EntryError) else "an entry is nested too deep"
