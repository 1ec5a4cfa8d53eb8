"""The hypervisor behind a process that may be killed (see `pollers.compute.child`)."""

from __future__ import annotations

import importlib.util
import threading
from typing import Any

import structlog

from pollers import poll_metrics
from pollers.compute.aside import Aside
from pollers.compute.process import Budget, ChildProcess, HypervisorError, NoAnswerError
from pollers.compute.rows import DomainRow, is_held
from pollers.errors import SourceError
from pollers.urls import without_secrets

log = structlog.get_logger(__name__)

#: Shares of a poll's deadline: the call for all domains, and one domain asked by itself.
BULK_SHARE = 0.5
SINGLE_SHARE = 0.25
#: Domains asked together in the search for those that hang.
GROUP = 50


class Hypervisor:
    """All domains' numbers in one call, within a deadline, whatever a guest's monitor does."""

    def __init__(self, uri: str, deadline_s: float) -> None:
        self.uri = uri
        self.shown_uri = without_secrets(uri)
        self.aside = Aside()
        self._deadline_s = deadline_s
        self._budget = Budget(deadline_s)
        self._child: ChildProcess | None = None
        self._lock = threading.Lock()

    def read(self) -> tuple[list[DomainRow], list[str]]:
        """One reading: (rows, problems). Raises `SourceError` when the hypervisor itself fails.

        1. One call for all domains but those set aside, with half of the deadline.
        2. If it hangs, kill it and ask group by group, and each domain of a group that hangs by
           itself: whose call hangs, too, is set aside; so is one that libvirt passes over because
           the first call still waits on it.
        3. Domains set aside earlier, whose time has come, are tried each by itself.
        """
        with self._lock:
            self._budget = Budget(self._deadline_s)
            try:
                rows, problems = self._read(self.aside.start_poll())
            except NoAnswerError as error:
                raise SourceError(f"libvirt at {self.shown_uri} does not answer") from error
            except HypervisorError as error:
                raise SourceError(f"libvirt at {self.shown_uri}: {error}") from error
            poll_metrics.DOMAINS_ASIDE.set(len(self.aside))
            return rows, problems + self.aside.sentences()

    def xml(self, uuids: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        """({uuid: domain XML}, {uuid: why not}) within what is left of the reading's deadline

        (a second at least). A domain that is gone is in neither.

        Raises `NoAnswerError` or `HypervisorError`.
        """
        with self._lock:
            within_s = max(self._budget.left(self._deadline_s), 1.0)
            texts, refused = self._call({"do": "xml", "only": uuids}, within_s)
            return texts, refused

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _read(self, due: dict[str, str]) -> tuple[list[DomainRow], list[str]]:
        """`due`: {uuid: name} of those aside that are to be tried again."""
        try:
            rows = self._stats({"skip": self.aside.uuids}, self._deadline_s * BULK_SHARE)
        except NoAnswerError:
            return self._search()
        found, problems = self._ask_each(due)
        return rows + found, problems

    def _search(self) -> tuple[list[DomainRow], list[str]]:
        """The call for all hung: find the domains that it waits for."""
        # A daemon that does not even list its domains is silent itself: all that is left is its.
        listed = dict(self._call({"do": "list"}, self._budget.left(self._deadline_s)))
        before = len(self.aside)
        asked = {uuid: name for uuid, name in listed.items() if uuid not in self.aside}
        rows, problems = self._ask_groups(asked)
        if len(self.aside) == before and not problems:
            seconds = self._deadline_s * BULK_SHARE
            problems = [
                f"one call for all {len(asked)} domains took over {seconds:g} s, each alone "
                "answers: is TELEMETRY_LIBVIRT_DEADLINE too short for so many?"
            ]
        return rows, problems

    def _ask_groups(self, names: dict[str, str]) -> tuple[list[DomainRow], list[str]]:
        """Ask the domains {uuid: name}, of which one at least hangs; on a small host one by one."""
        if len(names) <= GROUP:
            return self._ask_each(names)
        rows: list[DomainRow] = []
        problems: list[str] = []
        waiting = list(names)
        while waiting:
            if self._single_s() <= 0:
                return rows, [*problems, f"no time left to ask {len(waiting)} domains"]
            group, waiting = waiting[:GROUP], waiting[GROUP:]
            try:
                found = self._stats({"only": group}, self._single_s())
            except NoAnswerError:
                found, more = self._ask_each({uuid: names[uuid] for uuid in group})
                problems += more
            else:
                for row in found:
                    self._judge(row)
            rows += found
        return rows, problems

    def _ask_each(self, names: dict[str, str]) -> tuple[list[DomainRow], list[str]]:
        """Ask the domains {uuid: name} one by one, as long as there is time."""
        rows: list[DomainRow] = []
        for place, (uuid, name) in enumerate(names.items()):
            if self._single_s() <= 0:
                return rows, [f"no time left to ask {len(names) - place} domains"]
            rows += self._ask_one(uuid, name)
        return rows, []

    def _ask_one(self, uuid: str, name: str) -> list[DomainRow]:
        try:
            rows = self._stats({"only": [uuid]}, self._single_s())
        except NoAnswerError:
            self._set_aside(uuid, name, hung=True)
            return []
        if rows:
            self._judge(rows[0])
        else:
            self._release(uuid, name)
        return rows

    def _judge(self, row: DomainRow) -> None:
        """Beside a call that hangs, who is held is who it waits for."""
        if is_held(row):
            self._set_aside(row.uuid, row.name, hung=False)
        else:
            self._release(row.uuid, row.name)

    def _release(self, uuid: str, name: str) -> None:
        if self.aside.release(uuid):
            log.info("domain answers again or is gone", domain=name, uuid=uuid)

    def _single_s(self) -> float:
        return self._budget.left(self._deadline_s * SINGLE_SHARE)

    def _set_aside(self, uuid: str, name: str, *, hung: bool) -> None:
        if self.aside.put(uuid, name, hung=hung):
            log.warning("domain set aside: its monitor does not answer", domain=name, uuid=uuid)

    def _stats(self, which: dict[str, Any], within_s: float) -> list[DomainRow]:
        answer = self._call({"do": "stats"} | which, within_s)
        at_us = answer["at"] * 1000
        return [
            DomainRow(uuid, name, runtime_id, stats, at_us)
            for uuid, name, runtime_id, stats in answer["domains"]
        ]

    def _call(self, request: dict[str, Any], within_s: float) -> Any:
        """Ask; where an old connection turns out dead, ask once more on a new one."""
        proven = self._child is not None and self._child.answers > 0
        try:
            return self._ask(request, within_s)
        except HypervisorError as error:
            if not (error.lost and proven):
                raise
        return self._ask(request, within_s)

    def _ask(self, request: dict[str, Any], within_s: float) -> Any:
        self._child = self._child or ChildProcess(self.uri)
        try:
            return self._child.call(request, within_s)
        except NoAnswerError:
            self._drop()
            raise
        except HypervisorError as error:
            if error.lost:
                self._drop()
            raise

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


def libvirt_is_installed() -> bool:
    return importlib.util.find_spec("libvirt") is not None
