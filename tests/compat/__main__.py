"""`python -m tests.compat SUITE [FILE …]`: one suite, or some of its files. See `make compat`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

from tests.compat import (
    alarming,
    aodh,
    aodhclient,
    ceilometer,
    ceilometerclient,
    cloud,
    event,
    gnocchiclient,
    metering,
    metric,
    otlp,
    pankoclient,
    prometheus,
    scenarios,
    statistics,
)
from tests.compat.outcomes import Outcome, judge, read_exceptions, report, write_summary
from tests.compat.server import serving, state_dir

SUITES = {
    "metric": metric, "gnocchiclient": gnocchiclient, "ceilometer": ceilometer, "aodh": aodh,
    "alarming": alarming, "aodhclient": aodhclient, "metering": metering,
    "event": event, "ceilometerclient": ceilometerclient,
    "pankoclient": pankoclient, "cloud": cloud, "otlp": otlp, "statistics": statistics,
    "scenarios": scenarios, "prometheus": prometheus,
}  # fmt: skip
#: Suites that need more than a server: what starts it, and yields more settings for ours.
SURROUNDINGS = {"aodhclient": aodhclient.keystone, "cloud": cloud.surroundings.cloud}
#: Suites that need more of the house than its API.
ROLES = {"cloud": cloud.ROLES}


def told(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """All of them; each file is told when it is done."""
    every = []
    for file, some in groupby(outcomes, lambda one: one.file):
        ran = list(some)
        every += ran
        failed = sum(one.verdict == "failed" for one in ran)
        seconds = sum(one.seconds for one in ran)
        print(f"{file:<34}{len(ran) - failed:4} of {len(ran):3}{seconds:7.1f} s", flush=True)
    return every


def main(name: str, *files: str) -> int:
    suite = SUITES[name]
    environment = Path(sys.prefix) / f"compat-{name}"
    exceptions = read_exceptions(Path(__file__).with_name(f"{name}.exceptions"))
    log = state_dir() / f"{name}.log"
    with (
        SURROUNDINGS.get(name, nullcontext)() as more,
        serving(
            log, suite.PREFIX, ROLES.get(name, "web"), **suite.SETTINGS, **(more or {})
        ) as server,
    ):
        outcomes = told(suite.run(server, environment, files))
    judgement = judge(outcomes, exceptions, whole=not files)
    write_summary(state_dir() / f"{name}.json", outcomes, judgement)
    report(judgement)
    return 0 if judgement.good else 1


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SUITES:
        sys.exit(f"python -m tests.compat SUITE [FILE …] with one of: {' '.join(SUITES)}")
    sys.exit(main(*sys.argv[1:]))
