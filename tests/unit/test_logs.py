"""No secret in any log line (S23), whatever its dress."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from celery.exceptions import WorkerLostError

from telemetry_site import logs

SECRET = "s3cr3t-Value"


@pytest.mark.parametrize(
    "text",
    [
        f"amqp://user:{SECRET}@host:5672/vhost",
        f"postgresql://user:{SECRET}@/db?host=/run",
        f"redis://:{SECRET}@host/0 is away",
        f"amqp://user:p@{SECRET}@host/",
        f'{{"password": "{SECRET}"}}',
        f'{{"password": "a\\"{SECRET}"}}',
        f'{{"admin_password": "a, {SECRET}", "x": 1}}',
        f'{{\\"password\\": \\"{SECRET}\\"}}',
        f'{{\\"password\\": \\"a\\\\\\"{SECRET}\\"}}',
        f"{{'password': 'a\"{SECRET}'}}",
        f"{{'auth_token': b'{SECRET}'}}",
        f'{{"password":\n  "line\\n{SECRET}"}}',
        f"password={SECRET} user=me",
        f"password='a b {SECRET}' user=me",
        f'password="a \\" {SECRET}" user=me',
        f"GET /x?token={SECRET}&y=1",
        f"X-Auth-Token: {SECRET}",
        f"X-Subject-Token: {SECRET}",
        f"Authorization: {SECRET}",
        f"authorization: Bearer {SECRET}",
        f"Bearer {SECRET}",
        f"Basic {SECRET}",
        f"gAAAAABl{SECRET}{SECRET}==",
        f"tlm_{SECRET}{SECRET}",
        f"api_key={SECRET}",
        f"client_secret: {SECRET}",
    ],
)
def test_a_secret_in_a_text_is_redacted(text: str) -> None:
    assert SECRET not in logs.redact_text(text)
    assert logs.REDACTED in logs.redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "Connected to redis+socket:///run/valkey.sock",
        "http://127.0.0.1:8000/metrics answered 200",
        "3 tokens left in the bucket",
        "the password was wrong",
        '{"resource": "r1", "value": 3}',
        "mail to someone@example.org",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert logs.redact_text(text) == text


@pytest.mark.parametrize("key", ["password", "X-Auth-Token", "client_secret", "Cookie", "api_key"])
def test_a_key_that_names_a_secret_condemns_its_whole_value(key: str) -> None:
    told = {"outer": [{key: {"deep": SECRET}, "plain": "stays"}]}
    assert SECRET not in json.dumps(logs.redact(told))
    assert "stays" in json.dumps(logs.redact(told))


def test_numbers_under_such_a_key_stay_since_they_are_counts() -> None:
    assert logs.redact({"tokens": 3}) == {"tokens": 3}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What comes out at the end, as JSON lines."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure("json", "INFO")
    for handler in root.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()
    logging.captureWarnings(False)


def test_a_traceback_is_filtered_like_the_rest(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"no answer from amqp://u:{SECRET}@host/")
    except ValueError:
        structlog.get_logger("test").exception("failed")
        logging.getLogger("foreign").exception("failed too")
    assert SECRET not in lines.getvalue()
    assert lines.getvalue().count("ValueError") >= 2


def test_a_killed_child_is_one_line_without_the_pools_own_traceback(lines: io.StringIO) -> None:
    try:
        raise RuntimeError("billiard's inside")
    except RuntimeError:
        logging.getLogger("celery.worker.request").error(
            "Task handler raised error: %r", WorkerLostError("signal 9 (SIGKILL)"), exc_info=True
        )
    (line,) = lines.getvalue().splitlines()
    assert "signal 9 (SIGKILL)" in line
    assert "billiard's inside" not in line


def test_nobody_can_forge_a_line_or_steer_the_terminal(lines: io.StringIO) -> None:
    structlog.get_logger("test").info("first\nsecond", user="a\r\nERROR forged")
    logging.getLogger("foreign").warning("bad\n%s", "2026 [error] forged")
    printed = lines.getvalue().splitlines()
    assert len(printed) == 2
    assert all(json.loads(line)["level"] in ("info", "warning") for line in printed)


def test_the_text_form_is_one_line_an_event_too(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure("text", "INFO", colors=False)
    for handler in root.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(sys.stdout)
    structlog.get_logger("test").info("one\x1b[2J", user="a\nforged \x1b[2Jline")
    root.handlers[:], root.level = before
    structlog.reset_defaults()
    logging.captureWarnings(False)
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 1
    assert "\x1b" not in printed
