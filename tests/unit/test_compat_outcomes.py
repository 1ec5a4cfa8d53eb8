"""The judgement over an outside suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.outcomes import Outcome, judge, read_exceptions, report

PASSED = Outcome("archive", "one", "passed")
FAILED = Outcome("archive", "two", "failed", request="GET /", expected="200", got="404 gone")
EXPECTED = Outcome("influxdb", "head", "expected")


def test_a_failure_that_is_not_listed_fails_the_run() -> None:
    judgement = judge([PASSED, FAILED, EXPECTED], {}, whole=True)
    assert (judgement.passed, judgement.failed) == ([PASSED], [FAILED])
    assert judgement.expected == [EXPECTED]
    assert not judgement.good


def test_a_listed_failure_does_not_fail_the_run() -> None:
    judgement = judge([PASSED, FAILED], {"archive::two": "known"}, whole=True)
    assert judgement.good
    assert judgement.listed == {"archive::two": "known"}


@pytest.mark.parametrize("test", ["archive::one", "archive::gone", "other::one"])
def test_a_listed_test_that_passes_or_does_not_exist_fails_the_run(test: str) -> None:
    judgement = judge([PASSED], {test: "known"}, whole=True)
    assert judgement.stale == [test]
    assert not judgement.good


def test_a_run_of_some_files_says_nothing_about_the_others() -> None:
    assert judge([PASSED], {"other::one": "known"}, whole=False).good
    assert judge([PASSED], {"archive::gone": "known"}, whole=False).stale == ["archive::gone"]


def test_a_run_without_tests_is_not_good() -> None:
    assert not judge([], {}, whole=False).good


def test_the_last_line_counts(capsys: pytest.CaptureFixture[str]) -> None:
    report(judge([PASSED, FAILED], {"archive::one": "known"}, whole=True))
    told = capsys.readouterr().out
    assert "FAILED archive::two" in told
    assert "404 gone" in told
    assert told.splitlines()[-1] == "1 passed, 2 failed"


def test_every_exception_has_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "suite.exceptions"
    file.write_text("# why not\n\narchive::name with spaces  the reason\n")
    assert read_exceptions(file) == {"archive::name with spaces": "the reason"}
    file.write_text("archive::two\n")
    with pytest.raises(ValueError, match="no reason"):
        read_exceptions(file)
