"""The quarantine's command and its limits."""

from __future__ import annotations

import json
import sys
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from meters import housekeeping
from meters.models import HeadSample, IngestMinute, PollReport, Quarantine
from meters.store.write import store_batch
from telemetry_site.__main__ import main
from telemetry_site.clock import now_us
from tests.support.batches import SECOND, batch_of, report, resource

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


def run(*args: Any) -> str:
    out = StringIO()
    call_command("quarantine", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def future_sample() -> Quarantine:
    store_batch(batch_of((resource(), "cpu", 1.0, now_us() + 3600 * SECOND)))
    return Quarantine.objects.get()


def age(table: str, column: str, days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = {column} - interval '{days} days'")


def test_an_empty_quarantine_says_so() -> None:
    assert run("list") == "Nothing open in the quarantine.\n"


def test_list_names_reason_and_place(future_sample: Quarantine) -> None:
    (row,) = json.loads(run("list", "--format", "json"))
    assert (row["id"], row["reason"]) == (future_sample.pk, "timestamp_future")
    assert "samples.timestamp[0]" in run("show", str(future_sample.pk))
    assert "timestamp_future" in run("list")
    assert json.loads(run("list", "--reason", "bad_json", "--format", "json")) == []


def test_a_replay_that_is_refused_again_leaves_the_row_open(future_sample: Quarantine) -> None:
    with pytest.raises(CommandError):
        run("replay")
    future_sample.refresh_from_db()
    assert future_sample.state == "open"
    assert Quarantine.objects.count() == 1


def test_a_replay_stores_what_has_become_storable(
    future_sample: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from meters.store import write

    monkeypatch.setattr(write, "FUTURE_ALLOWANCE", timedelta(hours=2))
    assert "1 replayed, 0 refused" in run("replay", str(future_sample.pk))
    assert HeadSample.objects.count() == 1
    assert run("list") == "Nothing open in the quarantine.\n"


def test_a_dry_run_changes_nothing(future_sample: Quarantine) -> None:
    assert "1 open rows match" in run("discard", "--dry-run")
    assert Quarantine.objects.get().state == "open"


def test_discard_closes_and_says_by_whom(future_sample: Quarantine) -> None:
    run("discard", str(future_sample.pk))
    row = Quarantine.objects.get()
    assert row.state == "discarded"
    assert row.closed_by
    assert row.closed_at is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--limit", "-1"), ("list", "--limit", "0"), ("list", "--limit", "1e3"),
        ("list", "--since-hours", "nan"), ("list", "--since-hours", "1e300"),
        ("list", "--since-hours", "-1"), ("list", "--agent", "a\x00"),
        ("list", "--agent", "\ud800"),
        ("show", "-1"), ("show", str(1 << 63)), ("replay", "9" * 5000), ("discard", "0"),
    ],
)  # fmt: skip
def test_arguments_that_no_database_holds_are_refused_in_words(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)


def test_an_argument_that_is_no_utf8_is_told_whatever_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here of one that asks the database for it."""
    monkeypatch.setattr(sys, "argv", ["manage.py", "alarms", "--project", "a\udcff"])
    with pytest.raises(SystemExit, match=r"An argument is not UTF-8: a\\udcff"):
        main()


def test_what_senders_wrote_does_not_command_the_terminal() -> None:
    row = Quarantine.objects.create(
        reason="schema",
        detail="event [/x]: \x1b[2J",
        source="a[b]\x07",
        body=b"\x1b]0;owned\x07\0\xff",
    )
    shown = run("list") + run("show", str(row.pk))

    assert shown.replace("\n", "").isprintable()
    assert "event [/x]: \\x1b[2J" in shown
    assert "\\x1b]0;owned\\x07\\x00\\xff" in shown


def test_showing_a_row_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(CommandError, match="There is no quarantine row 7"):
        run("show", "7")


def test_housekeeping_deletes_what_is_old_only(future_sample: Quarantine) -> None:
    now = now_us()
    store_batch(batch_of((resource(), "cpu", 1.0, now), reports=[report(slot=now)]))
    assert set(housekeeping.keep_house().values()) == {0}
    age("meters_pollreport", "slot", 8)
    age("meters_ingestminute", "minute", 31)
    age("meters_quarantine", "created_at", 31)

    deleted = housekeeping.keep_house()
    assert deleted["meters_pollreport"] == deleted["meters_quarantine"] == 1
    assert PollReport.objects.count() == IngestMinute.objects.count() == 0


def test_a_quarantine_over_its_size_loses_its_oldest(
    future_sample: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_batch(batch_of((resource(), "cpu", 1.0, 1)))
    newest = Quarantine.objects.order_by("-pk")[0]
    monkeypatch.setattr(housekeeping, "QUARANTINE_BYTES", len(bytes(newest.body)))
    housekeeping.keep_house()
    assert list(Quarantine.objects.all()) == [newest]
