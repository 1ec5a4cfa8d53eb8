"""Conversion of notifications, side by side with ceilometer's own code (../README.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from pollers.notification.convert import Converter
from pollers.notification.events import load_events
from pollers.notification.meter_files import load_meters
from pollers.notification.pipelines import load_pipelines
from tests.compat import oracle_process
from tests.compat.conversion.comparison import differences, read_meant, unmeant
from tests.compat.conversion.messages import HERE, Case, cases
from tests.compat.conversion.sides import of_ceilometer, of_ours
from tests.compat.outcomes import Outcome
from tests.support.notifications import convert

#: Priorities of which ceilometer makes anything.
USEFUL = ("INFO", "ERROR", "SAMPLE")


@dataclass(frozen=True)
class Run:
    """A corpus and the files it is converted by; None is ceilometer's own."""

    folder: str
    meters: Path | None = None
    events: Path | None = None
    pipeline: Path | None = None
    event_pipeline: Path | None = None

    def files(self, ceilometer: Path) -> tuple[Path, Path]:
        """Those of meters and of events."""
        return (
            self.meters or ceilometer / "data" / "meters.d" / "meters.yaml",
            self.events or ceilometer / "pipeline" / "data" / "event_definitions.yaml",
        )

    def wanted(self, messages: list[Case]) -> dict[str, Any]:
        return {
            "meters": self.meters and str(self.meters.parent),
            "events": self.events and str(self.events),
            "pipeline": self.pipeline and str(self.pipeline),
            "event_pipeline": self.event_pipeline and str(self.event_pipeline),
            "messages": [case.envelope for case in messages],
        }

    def converter(self, ceilometer: Path) -> Converter:
        meters, events = self.files(ceilometer)
        if missing := [path for path in (meters, events) if not path.is_file()]:
            raise FileNotFoundError(missing[0])
        return Converter(
            load_events([events])[0],
            load_meters([meters])[0],
            meter_pipelines=self.pipeline and load_pipelines(self.pipeline)[0],
            event_pipelines=self.event_pipeline
            and load_pipelines(self.event_pipeline, "events")[0],
        )


LANGUAGE, PIPELINE = HERE / "language", HERE / "pipeline"
RUNS = {
    "stock": Run("stock"),
    "language": Run("language", LANGUAGE / "meters.d" / "meters.yaml", LANGUAGE / "events.yaml"),
    "pipeline": Run(
        "stock",
        pipeline=PIPELINE / "pipeline.yaml",
        event_pipeline=PIPELINE / "event_pipeline.yaml",
    ),
}


def outcomes(environment: Path) -> Iterator[Outcome]:
    """One of each message; and of each stock definition, whether a message shows it."""
    corpus = {name: cases(run.folder) for name, run in RUNS.items()}
    answer = oracle_process.ask(
        environment,
        HERE / "oracle.py",
        {name: run.wanted(corpus[name]) for name, run in RUNS.items()},
    )
    home = Path(answer["ceilometer"])
    meant = read_meant(HERE / "differences.yaml")
    for name, run in RUNS.items():
        converter = run.converter(home)
        for case, gave in zip(corpus[name], answer["runs"][name], strict=True):
            theirs, ours = of_ceilometer(gave), of_ours(convert(case.message, by=converter))
            title = f"{name}: {case.name}"
            found = unmeant(differences(title, theirs, ours), meant)
            yield Outcome(
                "conversion", title, "failed" if found else "passed",
                got="\n".join(map(str, found)),
            )  # fmt: skip
    for line in meant:
        for pattern in sorted(line.unused):
            name = f"a listed difference: {pattern}"
            yield Outcome("conversion", name, "failed", got="it covers nothing")
    yield from _coverage(home, corpus["stock"], answer["runs"]["stock"])


def _coverage(home: Path, messages: list[Case], gave: list[dict[str, Any]]) -> Iterator[Outcome]:
    meters, events = (yaml.safe_load(path.read_text()) for path in RUNS["stock"].files(home))
    made = {sample["name"] for one in gave for sample in one["samples"]}
    for name in [one["name"] for one in meters["metric"] if "$" not in one["name"]]:
        yield _covered(f"a message shows the meter {name}", name in made)
    sent = {case.message["event_type"] for case in messages if case.message["priority"] in USEFUL}
    patterns = [one["event_type"] for one in events]
    for pattern in sorted({one for some in patterns for one in _listed(some)}):
        shown = any(fnmatchcase(kind, pattern) for kind in sent)
        yield _covered(f"a message shows the events {pattern}", shown)


def _covered(name: str, shown: bool) -> Outcome:
    return replace(Outcome("conversion", name, "passed"), verdict="passed" if shown else "failed")


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
