"""Work that comes and goes: targets of jobs that discover them, and the discoveries themselves."""

from __future__ import annotations

import threading

from pollers.batch import BatchBuilder
from pollers.central.scrape import ScrapeSource
from pollers.central.scrape_file import Job, ScrapeTarget
from pollers.central.target_discovery import Watched
from pollers.errors import SourceError
from pollers.polls import Findings
from pollers.work import Work


def target_work(target: ScrapeTarget) -> Work:
    source = ScrapeSource(target.url, target.interval_s, target)
    return Work(source.name, source, target.interval_s)


class DiscoveredWork:
    """The work of `jobs`. A target keeps its source, with its connection, as long as nothing of it
    changes.
    """

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._last: list[list[ScrapeTarget]] = []
        self._targets: list[tuple[ScrapeTarget, Work]] = []
        self._fixed = {
            work.name: work
            for job in jobs
            for work in (_discovery_work(job, one) for one in job.discoveries)
        }
        self._work = dict(self._fixed)

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def work(self) -> dict[str, Work]:
        """{name: work}, the same object as long as nothing changes."""
        with self._lock:
            lists = [job.targets() for job in self._jobs]
            if len(lists) != len(self._last) or any(
                new is not old for new, old in zip(lists, self._last, strict=True)
            ):
                self._take(lists)
            return self._work

    def _take(self, lists: list[list[ScrapeTarget]]) -> None:
        """Of two targets with one URL the first counts."""
        known = {target.url: (target, work) for target, work in self._targets}
        self._last, self._targets, self._work = lists, [], dict(self._fixed)
        for target in (target for targets in lists for target in targets):
            same, work = known.get(target.url, (None, None))
            if work is None or same != target:
                work = target_work(target)
            if self._work.setdefault(work.name, work) is work:
                self._targets.append((target, work))


class DiscoverySource:
    """Polled only to tell how the discovery does: its targets are sources of their own."""

    kind = ScrapeSource.kind

    def __init__(self, name: str, watched: Watched) -> None:
        self.name = name
        self._watched = watched

    def poll(self, builder: BatchBuilder) -> Findings:
        found = self._watched.found()
        if found.problems and not found.targets:
            raise SourceError("; ".join(f"{self.name}: {one}" for one in found.problems))
        return Findings(
            [f"{self.name}: {problem}" for problem in found.problems],
            {"targets": len(found.targets)},
        )


def _discovery_work(job: Job, watched: Watched) -> Work:
    name = f"targets of {job.name}: {watched.discovery.name}"
    return Work(name, DiscoverySource(name, watched), job.interval_s)
