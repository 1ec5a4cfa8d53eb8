"""An outage of the broker costs a process a few lines of its log, not a traceback a second."""

from __future__ import annotations

import logging
import sys

import pytest
from celery.beat import SchedulingError
from celery.exceptions import Reject
from kombu.exceptions import OperationalError

from telemetry_site import outages
from telemetry_site.outages import Outages

LOST = "consumer: Connection to broker lost."


def record(name: str, text: str, *args: object, level: int = logging.ERROR) -> logging.LogRecord:
    """As it comes while the present exception is handled."""
    return logging.LogRecord(name, level, "", 0, text, args, sys.exc_info())


def test_the_same_is_said_once_in_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(outages.time, "monotonic", lambda: clock[0])
    filter = Outages()
    said = []
    for clock[0] in (0.0, 5.0, 599.0, 600.0, 700.0):
        if filter.filter(record("celery.worker.consumer.consumer", LOST)):
            said.append(clock[0])
    assert said == [0.0, 600.0]


def test_after_a_new_connection_the_next_outage_is_told() -> None:
    filter = Outages()
    assert filter.filter(record("celery.worker.consumer.consumer", LOST))
    again = record("celery.worker.consumer.connection", "Connected to %s", level=logging.INFO)
    assert filter.filter(again)
    assert filter.filter(record("celery.worker.consumer.consumer", LOST))


def unsent(cause: Exception) -> logging.LogRecord:
    """What beat writes of a tick that it could not send: its call stack, and four tracebacks."""
    try:
        try:
            raise cause
        except Exception:
            raise SchedulingError("Couldn't apply scheduled task poll")  # noqa: B904  # as beat
    except SchedulingError as error:
        return record("celery.beat", "Message Error: %s\n%s", error, ["  File …"])


def test_a_tick_that_could_not_be_sent_is_one_line() -> None:
    told = unsent(OperationalError("Connection refused"))
    filter = Outages()
    assert filter.filter(told)
    assert (told.getMessage(), told.exc_info) == ("Couldn't apply scheduled task poll", None)
    assert not filter.filter(unsent(OperationalError("Connection refused")))


def test_a_fault_of_ours_keeps_its_traceback_every_time() -> None:
    filter = Outages()
    for _ in range(2):
        told = unsent(KeyError("a defect"))
        assert filter.filter(told)
        assert told.exc_info
    other = record("meters.collector", LOST)
    assert filter.filter(other)
    assert filter.filter(other)


def test_a_message_that_is_given_back_is_one_line() -> None:
    try:
        try:
            raise OperationalError("database away")
        except OperationalError as error:
            raise Reject(str(error), requeue=True) from error
    except Reject as error:
        told = record("celery.app.trace", "Task %s %s", "store_batch", error)
    assert Outages().filter(told)
    assert (told.getMessage(), told.exc_info) == ("Task store_batch ('database away', True)", None)
