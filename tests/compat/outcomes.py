"""What became of each test, and the judgement over all of them.

A file `<suite>.exceptions` lists the tests that may fail, one a line: ``file::test name``, two
spaces, the reason. A listed test that passes is a failure, too: the line has to go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

#: `expected`: the suite itself says that the test fails, and it does.
Verdict = Literal["passed", "failed", "expected"]
SHOWN_CHARACTERS = 400


@dataclass(frozen=True)
class Outcome:
    """One test; the texts are set where it failed."""

    file: str
    name: str
    verdict: Verdict
    seconds: float = 0.0
    request: str = ""
    expected: str = ""
    got: str = ""

    @property
    def id(self) -> str:
        return f"{self.file}::{self.name}"


@dataclass
class Judgement:
    """`failed` counts: unlisted failures, and lines of the list that are wrong."""

    passed: list[Outcome] = field(default_factory=list)
    expected: list[Outcome] = field(default_factory=list)
    listed: dict[str, str] = field(default_factory=dict)
    failed: list[Outcome] = field(default_factory=list)
    #: Listed, though they passed or do not exist.
    stale: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return bool(self.passed) and not self.failed and not self.stale


def read_exceptions(path: Path) -> dict[str, str]:
    """{test id: reason}. Raises `ValueError` for a line without a reason."""
    found = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        if not line.strip() or line.startswith("#"):
            continue
        test, _, reason = line.partition("  ")
        if not reason.strip():
            raise ValueError(f"{path.name}: no reason (after two spaces): {line}")
        found[test] = reason.strip()
    return found


def judge(outcomes: Iterable[Outcome], exceptions: dict[str, str], whole: bool) -> Judgement:
    """`whole` says whether every file ran: then a listed test that did not run does not exist."""
    judgement = Judgement()
    files, seen = set(), set()
    for one in outcomes:
        files.add(one.file)
        seen.add(one.id)
        if one.verdict == "failed" and one.id in exceptions:
            judgement.listed[one.id] = exceptions[one.id]
        else:
            getattr(judgement, one.verdict).append(one)
    for test in exceptions.keys() - judgement.listed.keys():
        if test in seen or whole or test.partition("::")[0] in files:
            judgement.stale.append(test)
    return judgement


def report(judgement: Judgement) -> None:
    """The failures in short; the last line is "N passed, M failed"."""
    for one in judgement.failed:
        print(f"\nFAILED {one.id}")
        for label in ("request", "expected", "got"):
            if text := getattr(one, label):
                print(f"  {label:<9}{shortened(text)}")
    for test in sorted(judgement.stale):
        print(f"\nSTALE {test}: listed as an exception, but it passed or there is no such test")
    print()
    for test, reason in sorted(judgement.listed.items()):
        print(f"known: {test}: {reason}")
    if judgement.expected:
        print(f"{len(judgement.expected)} failed as the suite itself expects")
    print(
        f"{len(judgement.passed)} passed, {len(judgement.failed) + len(judgement.stale)} failed",
        flush=True,
    )


def write_summary(path: Path, outcomes: Sequence[Outcome], judgement: Judgement) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    summary = {
        "passed": len(judgement.passed),
        "failed": [one.id for one in judgement.failed],
        "stale": judgement.stale,
        "known": judgement.listed,
        "tests": [asdict(one) for one in outcomes],
    }
    path.write_text(json.dumps(summary, indent=1) + "\n")


def shortened(text: str) -> str:
    """On as many lines as it has, indented, cut where it gets long."""
    cut = text[:SHOWN_CHARACTERS] + (" …" if len(text) > SHOWN_CHARACTERS else "")
    return cut.replace("\n", "\n" + " " * 11)
