"""What is known about one resource and one meter, as far as whoever asks may know it. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True)
class ResourceFact:
    """`sender` is the project that posts its samples; empty where the own agents measure it.

    `mine_since` is when it came to the asking project from another; None where it always was.
    """

    uuid: UUID
    id: str
    name: str
    type: str
    started_at: datetime
    ended_at: datetime | None = None
    sender: str = ""
    mine_since: datetime | None = None
    newest: datetime | None = None
    state: float | None = None


@dataclass(frozen=True)
class SeriesFact:
    """`step_s` is the distance of its newest samples, None where there are fewer than two.

    `kept_s` is how long its archive policy keeps samples, counted from the newest; None: for ever.
    """

    uuid: UUID
    created_at: datetime
    newest: datetime | None = None
    step_s: float | None = None
    policy: str = ""
    kept_s: float | None = None
    granularities_s: Sequence[float] = ()


@dataclass(frozen=True)
class Selection:
    """What a source's last report says of the rules that choose its meters (wire.md)."""

    meters: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    rules: Sequence[str] = ()
    unknown: Sequence[str] = ()


@dataclass(frozen=True)
class SourceFact:
    """One source that may bring the samples. `why` is how it is tied to the question, in words.

    `is_sure`: it is the one that measures the resource, not only one of those that could. `errors`
    are those of its last report that concern the resource or all of the source; `others` counts
    the rest. `silent` is how long nothing was heard, where that is too long.
    `lacks` is its own word on why the resource has no such sample.
    """

    pk: int
    kind: str
    name: str
    agent_id: str
    why: str
    is_sure: bool
    interval_s: float
    last_poll: datetime
    last_received: datetime
    outcome: str
    duration_s: float = 0.0
    samples: int = 0
    silent: timedelta | None = None
    last_success: datetime | None = None
    errors: Sequence[str] = ()
    others: int = 0
    lacks: str = ""
    selection: Selection = field(default_factory=Selection)

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name} (agent {self.agent_id})"

    @property
    def lag_s(self) -> float:
        """From the end of the poll to the database; negative where the agent's clock is ahead."""
        return (self.last_received - self.last_poll).total_seconds() - self.duration_s


@dataclass(frozen=True)
class Refused:
    """Open rows of the quarantine that hold the resource, of one reason."""

    reason: str
    count: int
    newest: datetime
    detail: str
    pk: int


@dataclass(frozen=True)
class Dropped:
    """An agent's word that its full spool cost samples."""

    at: datetime
    agent_id: str
    items: int
    reason: str
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True)
class Operations:
    """What only administrators may know.

    `sources` are those that may bring the samples, the likeliest first; `others` counts those
    left out. `reports` of `expected` polls of the first one were told in the last hour. `refused`
    is quarantined, `dropped` was lost at an agent. `waiting` batches wait for the collector, None
    while the broker is away. `unknown` are sentences of polling files that name the meter though no
    pollster has it.
    """

    sources: Sequence[SourceFact] = ()
    others: int = 0
    refused: Sequence[Refused] = ()
    dropped: Sequence[Dropped] = ()
    waiting: int | None = None
    broker_away: timedelta | None = None
    reports: int = 0
    expected: int = 0
    unknown: Sequence[str] = ()


@dataclass(frozen=True)
class Facts:
    """`relatives` are (id, type, uuid) of resources that have the meter and bear the id in theirs.

    `namesakes` counts further resources that bear the name or id. `meter_on` counts the resources
    that have the meter, `meter_types` are some of their types, `similar` names of meters near it.
    `taken_away` is when the resource went to another project, where whoever asks had it before.
    `retention` is how long samples without an archive policy are kept; None: for ever.
    `operations` is None for those who may not know.
    """

    now: datetime
    resource_asked: str
    meter_asked: str
    resource: ResourceFact | None = None
    series: SeriesFact | None = None
    namesakes: int = 0
    relatives: Sequence[tuple[str, str, UUID]] = ()
    meter_on: int = 0
    meter_types: Sequence[str] = ()
    similar: Sequence[str] = ()
    taken_away: datetime | None = None
    retention: timedelta | None = None
    operations: Operations | None = None
