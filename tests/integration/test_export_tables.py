"""Samples and statistics go out as tables, whole also when the export is killed."""

from __future__ import annotations

import csv
import importlib.util
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db import OperationalError

from meters import export_pieces, table_export, table_file
from meters.api.params import moment
from meters.store import head
from meters.store.compaction import compact
from telemetry_site.clock import from_us, now_us, to_us
from tests.support.exports import command
from tests.support.storing import DAY, store

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]

needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed"
)
each_format = pytest.mark.parametrize(
    "kind",
    ["csv", *(pytest.param(name, marks=needs_pyarrow) for name in ("arrow", "parquet"))],
)
STATISTICS = ["--granularity=1d", "--aggregation=mean,count"]
each_content = pytest.mark.parametrize("more", [[], STATISTICS], ids=["samples", "statistics"])
RESOURCES = "abcdefg"

Row = tuple[int, str, float]


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> int:
    """Seven resources with two samples on each of two days, that go out in small pieces."""
    monkeypatch.setattr(export_pieces, "RESOURCES_AT_ONCE", 2)
    monkeypatch.setattr(export_pieces, "POINTS_AT_ONCE", 4)
    monkeypatch.setattr(table_export, "SERIES_AT_ONCE", 2)
    today = now_us() // DAY * DAY
    for place, name in enumerate(RESOURCES):
        rows = ((day, n) for day in (1, 2) for n in (1, 2))
        store(*((f"vm-{name}", today - day * DAY + n, place + n / 4) for day, n in rows))
        if place == 3:
            head.rotate(at_once=True)
            compact()
    return today


def samples(today: int) -> list[Row]:
    return sorted(
        (today - day * DAY + n, f"vm-{name}", place + n / 4)
        for place, name in enumerate(RESOURCES)
        for day in (1, 2)
        for n in (1, 2)
    )


def means(today: int) -> list[Row]:
    return sorted(
        (today - day * DAY, f"vm-{name}", place + 0.375)
        for place, name in enumerate(RESOURCES)
        for day in (1, 2)
    )


def read(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(file.read_text())))
    import pyarrow
    import pyarrow.parquet

    if file.suffix == ".parquet":
        found = pyarrow.parquet.read_table(file)
    else:
        with pyarrow.ipc.open_stream(file.read_bytes()) as stream:
            found = stream.read_all()
    return [{**row, "timestamp": row["timestamp"].isoformat()} for row in found.to_pylist()]


def in_short(rows: list[dict[str, Any]]) -> list[Row]:
    return sorted(
        (
            to_us(moment(row["timestamp"])),
            row["resource_id"],
            float(row.get("value", row.get("mean"))),  # type: ignore[arg-type]
        )
        for row in rows
    )


def expected(today: int, more: list[str]) -> list[Row]:
    return means(today) if more else samples(today)


@each_format
@each_content
def test_all_of_it_goes_out(today: int, tmp_path: Path, kind: str, more: list[str]) -> None:
    file = tmp_path / f"all.{kind}"
    told = command("export", str(file), *more)
    rows = read(file)
    assert in_short(rows) == expected(today, more)
    assert f"{len(rows)} rows" in told
    assert [one.name for one in tmp_path.iterdir()] == [file.name]
    if more:
        assert {float(row["count"]) for row in rows} == {2.0}
        assert {row["meter"] for row in rows} == {"cpu"}


@each_format
@each_content
def test_what_broke_off_after_any_piece_goes_on(
    today: int, tmp_path: Path, kind: str, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though half a piece was written behind the last one that is whole."""
    pieces = 0
    for broken_after in range(1, 20):
        file = tmp_path / f"{broken_after}.{kind}"
        passes = iter(range(1, 100))

        def killed(name: str, passes: Any = passes, last: int = broken_after) -> None:
            if next(passes) == last:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(table_file, "failpoint", killed)
            try:
                command("export", str(file), *more)
                break
            except KeyboardInterrupt:
                pieces += 1
        with open(f"{file}.part", "ab") as stream:
            stream.write(b"half a piece")
        command("export", str(file), "--resume")
        assert in_short(read(file)) == expected(today, more), broken_after
    assert pieces >= 4
    assert all(one.suffix == f".{kind}" for one in tmp_path.iterdir())


def test_killed_for_real(
    today: int, tmp_path: Path, process_env: Callable[..., dict[str, str]]
) -> None:
    file = tmp_path / "samples.csv"
    told = [sys.executable, "manage.py", "export", str(file)]
    environment = process_env(TELEMETRY_FAILPOINTS="export.after_place=kill9@1")
    assert subprocess.run(told, env=environment, capture_output=True, check=False).returncode == -9
    assert not file.exists()
    command("export", str(file), "--resume")
    assert in_short(read(file)) == samples(today)


def test_only_what_is_selected(today: int, tmp_path: Path) -> None:
    file = tmp_path / "some"
    span = [f"--{name}={from_us(at).isoformat()}" for name, at in
            (("start", today - DAY), ("stop", today - DAY + 2))]  # fmt: skip
    command("export", str(file), "--format=csv", "--resource=vm-a", "--resource=vm-c", *span)
    wanted = [
        row for row in samples(today) if row[1] in ("vm-a", "vm-c") and row[0] == today - DAY + 1
    ]
    assert in_short(read(file.rename(tmp_path / "some.csv"))) == wanted


@each_format
def test_nothing_is_a_table_without_rows(today: int, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"none.{kind}"
    assert "No metric fits" in command("export", str(file), "--meter=nosuch")
    assert read(file) == []


@each_format
def test_a_table_through_a_pipe(
    today: int, tmp_path: Path, kind: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    command("export", "-", "--format", kind)
    file = tmp_path / f"piped.{kind}"
    file.write_bytes(capsysbinary.readouterr().out)
    assert in_short(read(file)) == samples(today)


def test_an_output_that_is_full_is_one_line(
    today: int, process_env: Callable[..., dict[str, str]]
) -> None:
    told = [sys.executable, "manage.py", "export", "-", "--format=csv"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            told, env=process_env(), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].endswith("-: No space left on device")
    assert b"Traceback" not in done.stderr
    assert b"ignored" not in done.stderr


def test_a_pipe_tells_how_much_it_was(
    today: int, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert "28 rows" in command("export", "-", "--format=csv")
    assert "No metric fits" in command("export", "-", "--format=csv", "--meter=nosuch")


def test_a_database_that_is_away_is_told_and_the_export_goes_on(
    today: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(name: str) -> None:
        raise OperationalError("terminating connection\nHINT: later")

    file = tmp_path / "all.csv"
    with monkeypatch.context() as patch:
        patch.setattr(table_file, "failpoint", away)
        with pytest.raises(CommandError, match=r"is away \(terminating connection\): go on with"):
            command("export", str(file))
    command("export", str(file), "--resume")
    assert in_short(read(file)) == samples(today)


class TestSentences:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["x.tlm", "--granularity=1d"], "go out as a table"),
            (["x.csv", "--aggregation=mean"], "need --granularity"),
            (["x.csv", "--aggregation=nosuch", "--granularity=1d"], "is not a method"),
            (["x.csv", "--granularity=soon"], "is not a duration"),
            (["x.csv", "--granularity=1s", "--start=2020-01-01"], "at most 1000000 are allowed"),
            (["x.csv", "--start=2026-01-02", "--stop=2026-01-01"], "must be later than"),
            (["x.csv", "--granularity=999999999d"], "longer than any samples are apart"),
            (["x.csv", "--meter=cpu\udcff"], "holds half of a surrogate pair"),
            (["x.csv", "--resource=\udcff"], "holds half of a surrogate pair"),
            ([".", "--format=csv"], "is a directory"),
            (["", "--resume"], "is a directory"),
        ],
    )
    def test_what_cannot_be_meant(
        self, today: int, tmp_path: Path, arguments: list[str], words: str
    ) -> None:
        name, *options = arguments
        with pytest.raises(CommandError, match=words):
            command("export", str(tmp_path / name), *options)
        assert list(tmp_path.iterdir()) == []

    def test_a_part_of_another_kind(
        self, today: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def killed(name: str) -> None:
            raise KeyboardInterrupt

        file = tmp_path / "all.csv"
        with monkeypatch.context() as patch:
            patch.setattr(table_file, "failpoint", killed)
            with pytest.raises(KeyboardInterrupt):
                command("export", str(file))
        with pytest.raises(CommandError, match="go on with --resume, or remove it"):
            command("export", str(file))
        with pytest.raises(CommandError, match="begun with another selection"):
            command("export", str(file), "--resume", *STATISTICS)
        part, place = tmp_path / "all.csv.part", tmp_path / "all.csv.part.place"
        whole, noted = part.read_bytes(), place.read_bytes()
        part.write_bytes(whole[:-1])
        with pytest.raises(CommandError, match="is shorter than"):
            command("export", str(file), "--resume")
        part.write_bytes(whole)
        place.write_bytes(noted.replace(b'"csv"', b'"arrow"'))
        with pytest.raises(CommandError, match="was begun as arrow"):
            command("export", str(file), "--resume")
        place.unlink()
        with pytest.raises(CommandError, match="is missing: remove"):
            command("export", str(file), "--resume")
        place.write_bytes(noted)
        command("export", str(file), "--resume")
        assert in_short(read(file)) == samples(today)
        with pytest.raises(CommandError, match="is there already"):
            command("export", str(file))

    def test_pyarrow_is_missing(
        self, today: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(CommandError, match=r"telemetry\[arrow\]"):
            command("export", str(tmp_path / "all.parquet"))
