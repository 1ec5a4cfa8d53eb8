"""What is wrong with the installation, in sentences. Pure: `now` and rows are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from meters.models import Source
from meters.ui.backlog import Backlog
from meters.ui.formats import duration

#: Reliability S-2 wants 10 s at the 99th percentile; a minute is trouble.
LAG_LIMIT_S = 60.0
#: Batches waiting for the collector; below this a queue is only breathing.
BACKLOG_LIMIT = 200


class State(StrEnum):
    OK = "ok"
    PARTIAL = "partial"
    ERROR = "error"
    SILENT = "silent"


#: Worst first: the order of the sources page.
ORDER = (State.SILENT, State.ERROR, State.PARTIAL, State.OK)
BAD = (State.SILENT, State.ERROR)
#: What is said of a source that is not well: of one that is polled, and of a publisher's target.
POLLED = {
    State.SILENT: "is silent",
    State.ERROR: "can't be polled",
    State.PARTIAL: "answers in part",
}
PUBLISHERS = {
    State.SILENT: "is silent",
    State.ERROR: "takes nothing",
    State.PARTIAL: "does not get all",
}


@dataclass(frozen=True)
class SourceHealth:
    source: Source
    state: State
    lag_s: float
    sentence: str

    @property
    def is_bad(self) -> bool:
        return self.state in BAD


@dataclass(frozen=True)
class Problem:
    severity: str
    title: str
    detail: str
    view: str
    pk: int | None = None


def judge(source: Source, now: datetime) -> SourceHealth:
    """Silent = nothing heard for two intervals; else what its last report said."""
    lag = max((source.last_received - source.last_poll).total_seconds() - source.duration_s, 0.0)
    silence = source.silence(now)
    if silence:
        sentence = (
            f"no report for {duration(silence.total_seconds())}, "
            f"expected every {duration(source.interval_s)}"
        )
        return SourceHealth(source, State.SILENT, lag, sentence)
    errors = [str(error) for error in source.errors]
    return SourceHealth(source, State(source.outcome), lag, "; ".join(errors))


def judge_all(sources: Iterable[Source], now: datetime) -> list[SourceHealth]:
    """Every source, the worst first."""
    judged = [judge(source, now) for source in sources]
    return sorted(
        judged, key=lambda each: (ORDER.index(each.state), each.source.kind, each.source.name)
    )


def problems(
    judged: Sequence[SourceHealth],
    quarantined: Mapping[str, int],
    backlog: Backlog,
    now: datetime,
) -> list[Problem]:
    """In the order of their weight. `quarantined`: open items by reason."""
    found = [_away(now - backlog.away_since)] if backlog.away_since else []
    found += [_source_problem(each) for each in judged if each.state is not State.OK]
    if quarantined:
        count = sum(quarantined.values())
        title = f"{count} item{'s' if count > 1 else ''} in quarantine"
        detail = ", ".join(f"{reason} ({number})" for reason, number in quarantined.items())
        found.append(Problem("warning", title, detail, "ui:quarantine"))
    late = max((each.lag_s for each in judged if not each.is_bad), default=0.0)
    if late > LAG_LIMIT_S:
        detail = f"a report waited {duration(late)} between poll and database"
        found.append(Problem("warning", "Data is late", detail, "ui:sources"))
    if (backlog.waiting or 0) > BACKLOG_LIMIT:
        detail = f"{backlog.waiting} batches wait; start another collector, or look at its log"
        found.append(Problem("warning", "The collector is behind", detail, "ui:sources"))
    return found


def _away(time: timedelta) -> Problem:
    seconds = max(int(time.total_seconds()), 1)
    detail = f"for {duration(seconds)}; agents keep their samples until it is back"
    return Problem("error", "The broker does not answer", detail, "ui:overview")


def _source_problem(each: SourceHealth) -> Problem:
    severity = "error" if each.is_bad else "warning"
    words = PUBLISHERS if each.source.kind == Source.PUBLISHER else POLLED
    title = f"{each.source.kind} {each.source.name} {words[each.state]}"
    return Problem(severity, title, each.sentence, "ui:source", each.source.pk)
