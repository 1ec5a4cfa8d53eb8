"""Run the gabbi files of gnocchi, aodh, ceilometer or panko against a server. Runs in an
environment of its own, without Django.

    gabbi_process.py gnocchi|aodh|ceilometer|panko|telemetry_tempest_plugin URL [FILE …]

A file is named like `archive` or `live/live`; none = all. Speaks lines of JSON on standard output:
``{"begin": file}`` before each file, then waits for a line on standard input while the server is
emptied; then for each test the fields of `tests.compat.outcomes.Outcome`; ``{"end": true}``.
"""

import json
import math
import os
import re
import sys
import time
import unittest
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import yaml
from gabbi.driver import build_tests
from gabbi.fixture import GabbiFixture

#: package → (prefix of a file's name → its folder)
FOLDERS = {
    "gnocchi": {"": "tests/functional/gabbits", "live/": "tests/functional_live/gabbits"},
    "aodh": {
        "": "tests/functional/gabbi/gabbits",
        "live/": "tests/functional_live/gabbi/gabbits-live",
    },
    "ceilometer": {
        "": "tests/functional/gabbi/gabbits",
        "prefix/": "tests/functional/gabbi/gabbits_prefix",
    },
    "panko": {
        "": "tests/functional/gabbi/gabbits",
        "prefix/": "tests/functional/gabbi/gabbits_prefix",
    },
    "telemetry_tempest_plugin": {"tempest/": "scenario/telemetry_integration_gabbits"},
}
#: The live files ask for these: nobody's token, and `admin` by each client's simple plugin.
ENVIRONMENT = {
    "GNOCCHI_SERVICE_TOKEN": "", "GNOCCHI_AUTHORIZATION": "basic YWRtaW46",
    "AODH_SERVICE_TOKEN": "", "AODH_SERVICE_ROLES": "admin",
}  # fmt: skip
#: What the package's own fixtures send with every request.
HEADERS = {
    "gnocchi": {},
    "aodh": {"x-user-id": "gu", "x-project-id": "gp", "x-roles": "admin"},
    "ceilometer": {"x-user-id": "gu", "x-project-id": "gp", "x-roles": "admin"},
    "panko": {},
    "telemetry_tempest_plugin": {},
}
#: Ours shows measures at once and a failing test should not wait for minutes.
MOST_POLLS = 10
MOST_DELAY_S = 1.0
#: Where gabbi's messages begin to repeat the answer, which is told anyway.
RESPONSE = re.compile(r",? (?:truncated )?response:\n")


class ConfigFixture(GabbiFixture):
    """Named by the functional files. The server is emptied before every file, the live ones too."""


class CORSConfigFixture(GabbiFixture):
    """Named by aodh's; the origin that it lets in is one of the server's settings."""


class SampleDataFixture(GabbiFixture):
    """Named by ceilometer's: three samples of one project's one animal.

    There they have one time; here a sample is what a meter of a resource has at one time, so each
    is a microsecond older than the one before, which gives the order that the files expect.
    """

    url = ""

    def start_fixture(self) -> None:
        owner, now = str(uuid.uuid4()), datetime.now(UTC).replace(tzinfo=None)
        body = [
            {
                "counter_name": "livestock", "counter_type": "gauge", "counter_unit": "head",
                "counter_volume": place, "user_id": "farmerjon", "project_id": owner,
                "resource_id": owner,
                "timestamp": (now - timedelta(microseconds=place)).isoformat(),
                "resource_metadata": {"farmed_by": "nancy", "breed": breed},
            }
            for place, breed in enumerate(("cow", "pig", "sheep"))
        ]  # fmt: skip
        headers = {"Content-Type": "application/json", **HEADERS["ceilometer"]}
        path = f"{self.url}/v2/meters/livestock?direct=1"
        with urlopen(Request(path, json.dumps(body).encode(), headers)) as answer:
            assert answer.status == 201


class EventDataFixture(GabbiFixture):
    """Named by panko's. No API takes events, so who empties the server stores them."""


class AnyNaN:
    """What the tag !AssertNAN stands for."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and math.isnan(other)

    __hash__ = None  # type: ignore[assignment]


class Outcomes(unittest.TestResult):
    """Passes on what became of each test, with what was sent and what came back."""

    def __init__(self, channel: Any, file: str) -> None:
        super().__init__()
        self.channel = channel
        self.file = file

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self.began = time.monotonic()
        self.verdict, self.reason = "passed", ""

    def stopTest(self, test: Any) -> None:
        super().stopTest(test)
        outcome = {
            "file": self.file,
            "name": test.test_data["name"],
            "verdict": self.verdict,
            "seconds": round(time.monotonic() - self.began, 3),
        }
        if self.verdict == "failed":
            outcome |= {"request": sent(test), "expected": self.reason, "got": received(test)}
        say(self.channel, outcome)

    def addFailure(self, test: Any, err: Any) -> None:
        self.verdict, self.reason = "failed", RESPONSE.split(f"{err[0].__name__}: {err[1]}")[0]

    addError = addFailure

    def addSkip(self, test: Any, reason: str) -> None:
        self.verdict, self.reason = "failed", f"skipped: {reason}"

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self.verdict = "expected"

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.verdict, self.reason = "failed", "the suite expects that this fails, but it passed"


def sent(test: Any) -> str:
    """Method, address and body of a test's request, as far as it came."""
    data = test.test_data["data"]
    body = data if isinstance(data, str) else json.dumps(data, default=str)
    return (
        f"{test.test_data['method']} {getattr(test, 'url', test.test_data['url'])} {body}".strip()
    )


def received(test: Any) -> str:
    response = getattr(test, "response", None)
    return "" if response is None else f"{response['status']} {test.output}"


def say(channel: Any, message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def tests_of(name: str, url: str) -> Iterator[tuple[str, unittest.TestSuite]]:
    """Every file with its tests, in the order of the names."""
    package = find_spec(name)
    assert package is not None
    (root,) = package.submodule_search_locations or []
    for prefix, folder in FOLDERS[name].items():
        suites = build_tests(
            str(Path(root, folder)), unittest.TestLoader(), url=url,
            test_loader_name=name, fixture_module=sys.modules[__name__], safe_yaml=False,
        )  # fmt: skip
        named = {f"{prefix}{next(iter(suite)).test_base_name}": suite for suite in suites}
        yield from sorted(named.items())


def patient(test: Any) -> None:
    """Polls are cut short."""
    if poll := test.test_data["poll"]:
        poll["count"] = min(int(poll.get("count", 1)), MOST_POLLS)
        poll["delay"] = min(float(poll.get("delay", 1)), MOST_DELAY_S)


def main(name: str, url: str, *wanted: str) -> None:
    channel, sys.stdout = sys.stdout, sys.stderr
    SampleDataFixture.url = url
    os.environ.update(ENVIRONMENT)
    yaml.add_constructor("!AssertNAN", lambda loader, node: AnyNaN())
    found = dict(tests_of(name, url))
    if unknown := set(wanted) - set(found):
        sys.exit(f"No such file: {', '.join(sorted(unknown))}; there are: {', '.join(found)}")
    for file, suite in found.items():
        if wanted and file not in wanted:
            continue
        for test in suite:
            patient(test)
            for header, value in HEADERS[name].items():
                test.test_data["request_headers"].setdefault(header, value)
        say(channel, {"begin": file})
        sys.stdin.readline()
        suite.run(Outcomes(channel, file))
    say(channel, {"end": True})


if __name__ == "__main__":
    main(*sys.argv[1:])
