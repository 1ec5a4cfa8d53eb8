"""What a poll did, for `poll_once --explain`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from meters import wire
from pollers.central.snmp.source import SnmpSource
from pollers.polls import Source
from pollers.pollsters.source import PollsterSource


def explained(sources: Iterable[Source], batches: Iterable[wire.Batch]) -> Iterator[str]:
    """Lines: for each source its requests and what matched, then the resources that came of it."""
    for source in sources:
        yield f"{source.kind} {source.name}"
        if isinstance(source, PollsterSource | SnmpSource):
            for pollster in source.pollsters:
                yield f"  pollster {pollster.name} of {pollster.place}"
            for line in source.explanation.lines:
                yield f"  {line}"
        yield ""
    for batch in batches:
        if batch.samples is not None:
            yield from _resources(wire.decode_catalogue(batch.samples))
    yield ""


def _resources(catalogue: wire.Catalogue) -> Iterator[str]:
    for resource in catalogue.resources:
        owner = f"project {resource.project_id or '-'}, user {resource.user_id or '-'}"
        yield f"resource {resource.id} ({resource.type}): {owner}"
        yield f"  {json.dumps(resource.metadata, sort_keys=True, ensure_ascii=False)}"
