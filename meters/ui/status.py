"""How the installation does, as far as the principal may know it."""

from __future__ import annotations

from dataclasses import dataclass, field

from meters.models import Quarantine, Source
from meters.store.quarantine import open_counts
from meters.ui.backlog import Backlog, backlog
from meters.ui.health import Problem, SourceHealth, State, judge_all, problems
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import now


@dataclass(frozen=True)
class Installation:
    """Members of a project see nothing of it: sources and quarantine are the operators'."""

    sources: list[SourceHealth] = field(default_factory=list)
    quarantined: dict[str, int] = field(default_factory=dict)
    backlog: Backlog = field(default_factory=Backlog)
    problems: list[Problem] = field(default_factory=list)

    @property
    def state(self) -> str:
        """error, warning, ok, or idle while nothing has ever reported."""
        if any(problem.severity == "error" for problem in self.problems):
            return "error"
        if self.problems:
            return "warning"
        return "ok" if self.sources else "idle"

    @property
    def quarantined_total(self) -> int:
        return sum(self.quarantined.values())

    @property
    def states(self) -> dict[str, int]:
        """How many sources are in each state; states without any are left out."""
        counts = {state: sum(each.state is state for each in self.sources) for state in State}
        return {str(state): count for state, count in counts.items() if count}

    @property
    def lag_s(self) -> float:
        """The longest way from poll to database among the sources that report."""
        return max((each.lag_s for each in self.sources if not each.is_bad), default=0.0)


def look(principal: Principal) -> Installation:
    if not principal.is_admin:
        return Installation()
    moment = now()
    judged = judge_all(Source.objects.defer("details"), moment)
    waiting = backlog(moment)
    labels = dict(Quarantine.Reason.choices)
    quarantined = {str(labels.get(name, name)): count for name, count in open_counts().items()}
    found = problems(judged, quarantined, waiting, moment)
    return Installation(judged, quarantined, waiting, found)
