"""Run ceilometer's API scenarios against a server. In an environment of its own, without Django.

    scenario_process.py URL FOLDER [FILE …]

No test is changed. Three things under them are: what they would store goes to the server under
test, what they ask goes there by HTTP, and of ceilometer's configuration only that of its API is
there; the usual limit that a test sets goes along as a header. A file is named like
`list_meters_scenarios`; none = all. Speaks lines of JSON on standard output: ``{"clear": true}``
and ``{"sample": …}``, each answered by a line when it is done; for each test the fields of
`tests.compat.outcomes.Outcome`; ``{"end": true}``.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import types
import unittest
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from bench.peers.ceilometer_app import configured

#: Of nobody in particular, as a request without a name is there.
NOBODY = {"HTTP_X_ROLES": "admin", "HTTP_X_USER_ID": "gu", "HTTP_X_PROJECT_ID": "gp"}
#: Their own token layer, redirects to other services, and a driver that is mocked.
LEFT_OUT = ("acl_scenarios", "api_upgrade", "compute_duration_by_resource_scenarios")
LAST_LINES = 6
LIMIT = "X-Default-Limit"


class Channel:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def say(self, message: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(message, default=str) + "\n")
        self._stream.flush()

    def ask(self, message: Mapping[str, Any]) -> None:
        self.say(message)
        sys.stdin.readline()


class Store:
    """What the tests take for ceilometer's storage."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def upgrade(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._channel.ask({"clear": True})

    def record_metering_data(self, sample: Mapping[str, Any]) -> None:
        self._channel.ask({"sample": sample})


class Outcomes(unittest.TestResult):
    """Passes on what became of each test."""

    def __init__(self, channel: Channel, file: str) -> None:
        super().__init__()
        self._channel = channel
        self._file = file

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self._began = time.monotonic()
        self._verdict, self._reason = "passed", ""

    def stopTest(self, test: Any) -> None:
        super().stopTest(test)
        self._channel.say({
            "file": self._file, "name": ".".join(test.id().split(".")[-2:]),
            "verdict": self._verdict, "seconds": round(time.monotonic() - self._began, 3),
            "expected": self._reason,
        })  # fmt: skip

    def addFailure(self, test: Any, err: Any) -> None:
        self._verdict = "failed"
        self._reason = "\n".join(str(err[1]).strip().splitlines()[-LAST_LINES:])

    addError = addFailure

    def addSkip(self, test: Any, reason: str) -> None:
        self._verdict, self._reason = "failed", f"skipped: {reason}"


def put_under(channel: Channel, url: str, folder: Path) -> None:
    """Before any of the tests is imported."""
    import ceilometer

    current: list[Any] = []

    def prepared(*_: Any) -> Any:
        conf = configured(folder, "sqlite://")
        conf.import_opt = lambda *_: None  # of the agents' pipelines
        current[:] = [conf]
        return conf

    service = types.ModuleType("ceilometer.service")
    service.prepare_service = prepared  # type: ignore[attr-defined]
    sys.modules["ceilometer.service"] = ceilometer.service = service

    import pecan.testing
    import webtest
    from ceilometer.tests import base, db

    class App(webtest.TestApp):  # type: ignore[misc]
        def do_request(self, req: Any, *args: Any, **options: Any) -> Any:
            req.headers[LIMIT] = str(current[0].api.default_api_return_limit)
            return super().do_request(req, *args, **options)

    class Manager(db.DBManager):  # type: ignore[misc]
        def setUp(self) -> None:
            super().setUp()
            self.connection = Store(channel)

    base.BaseTestCase.setup_messaging = lambda *_: None
    db.TestBase.DRIVER_MANAGERS = {"sqlite": Manager}
    db.run_with = lambda *_: lambda test: test  # those of one driver alone, too
    pecan.testing.load_test_app = lambda *_, **__: App(url, extra_environ=NOBODY, lint=False)


def main(url: str, folder: str, *wanted: str) -> None:
    channel, sys.stdout = Channel(sys.stdout), sys.stderr
    logging.disable()
    put_under(channel, url, Path(folder))
    from ceilometer.tests.functional.api import v2

    (root,) = v2.__path__
    found = {
        path.stem.removeprefix("test_"): path.stem for path in sorted(Path(root).glob("test_*.py"))
    }
    for name in LEFT_OUT:
        del found[name]
    if unknown := set(wanted) - set(found):
        sys.exit(f"No such file: {', '.join(sorted(unknown))}; there are: {', '.join(found)}")
    for file, module in found.items():
        if not wanted or file in wanted:
            tests = unittest.defaultTestLoader.loadTestsFromName(f"{v2.__name__}.{module}")
            tests.run(Outcomes(channel, file))
    channel.say({"end": True})


if __name__ == "__main__":
    main(*sys.argv[1:])
