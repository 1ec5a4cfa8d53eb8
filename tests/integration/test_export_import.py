"""Samples go out into a file and come in again as they were, also when both are killed."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meters import export_pieces, exporting, importing, wire
from meters.housekeeping import keep_house
from meters.models import (
    STANDALONE,
    Metric,
    Quarantine,
    Resource,
    SampleImport,
)
from meters.sample_file import FORMAT, VERSION, Header, Reader, Samples, Selection, Writer
from meters.store import head
from meters.store.compaction import compact, merge
from meters.store.write import store_batches
from telemetry_site.clock import from_us, now, now_us
from tests.support.batches import SECOND, batch_of, resource
from tests.support.exports import Contents, command, contents, rows_in, rows_of
from tests.support.store import empty_samples
from tests.support.storing import DAY, add_rows, in_a_thread, store, stored
from tests.unit import wire_strategies as some

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "samples"


# --- round trip ----------------------------------------------------------------------------------

NAMES = st.sampled_from(["vm-1", "vm-2"])
TIMES = st.sampled_from([0, 1, 7 * DAY, 7 * DAY + 1, 7 * DAY + 2, 8 * DAY - 1, 8 * DAY, 9000 * DAY])
DESCRIPTIONS = st.sampled_from([{"n": 1}, {"n": 2}, {"n": 1e300}, {"a": {"b": [None, True, "ü"]}}])


@st.composite
def batches(draw: st.DrawFn) -> tuple[wire.Batch, str]:
    """Few resources, meters and times, so that they meet again; and the batch's creator."""
    described = st.builds(
        wire.Resource, id=NAMES, project_id=st.sampled_from(["p1", "p2", None]),
        metadata=DESCRIPTIONS | some.DOCUMENTS, source=some.TEXT,
    )  # fmt: skip
    resources = draw(st.lists(described, min_size=1, max_size=2, unique_by=lambda one: one.id))
    one_series = st.builds(
        wire.Series, resource=st.integers(0, len(resources) - 1),
        meter=st.sampled_from(["cpu", "memory", "disk"]), unit=st.sampled_from(["B", ""]),
        type=st.sampled_from(wire.SAMPLE_TYPES),
    )  # fmt: skip
    some_series = draw(st.lists(one_series, min_size=1, max_size=4))
    row = st.tuples(st.integers(0, len(some_series) - 1), TIMES, some.NUMBERS)
    columns = zip(*draw(st.lists(row, min_size=1, max_size=8)), strict=True)
    samples = wire.pack_samples(wire.Catalogue(resources, some_series), *columns)
    batch = wire.Batch(1, wire.new_batch_id(), "test", 0, samples=samples)
    return batch, draw(st.sampled_from(["", "user:project"]))


def _pack_and_merge() -> None:
    head.rotate(at_once=True)
    compact()
    merge()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(batches(), max_size=8), st.integers(0, 8), st.integers(1, 3), st.integers(1, 20))
def test_what_goes_out_comes_in_as_it_was(
    tmp_path: Path, sent: list[tuple[wire.Batch, str]], packed: int, resources: int, points: int
) -> None:
    empty_samples()
    for number, (batch, creator) in enumerate(sent):
        if number == packed:
            _pack_and_merge()
        store_batches([batch], creator, wire.STORED)
    before = contents()
    file = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_pieces, "RESOURCES_AT_ONCE", resources)
        patch.setattr(export_pieces, "POINTS_AT_ONCE", points)
        command("export", str(file))
    empty_samples()
    command("import_samples", str(file))
    assert contents() == before
    command("import_samples", str(file))
    _pack_and_merge()
    assert contents() == before
    assert not Quarantine.objects.exists()


# --- broken off ----------------------------------------------------------------------------------


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> Contents:
    """Seven resources with two days each, that go out in many small pieces."""
    monkeypatch.setattr(export_pieces, "RESOURCES_AT_ONCE", 2)
    monkeypatch.setattr(export_pieces, "POINTS_AT_ONCE", 4)
    monkeypatch.setattr(importing, "BYTES_AT_ONCE", 1)
    today = now_us() // DAY * DAY
    for name in "abcdefg":
        store(*((f"vm-{name}", today - day * DAY + n, float(n)) for day in (1, 2) for n in (1, 2)))
    return contents()


def test_an_export_that_was_killed_at_any_byte_goes_on(several: Contents, file: Path) -> None:
    part = file.with_name("samples.part")
    command("export", str(file))
    whole = file.read_bytes()
    header = Reader(io.BytesIO(whole)).offset
    for cut in range(header, len(whole), 37):
        file.unlink()
        part.write_bytes(whole[:cut])
        command("export", str(file), "--resume")
        assert not part.exists()
        assert rows_in(file) == rows_of(whole), cut
    empty_samples()
    command("import_samples", str(file))
    assert contents() == several


@pytest.mark.parametrize("transactions", range(1, 8))
def test_an_import_that_broke_off_in_any_transaction_goes_on_behind_the_last_one(
    several: Contents, file: Path, transactions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("export", str(file))
    empty_samples()
    passes = iter(range(1, 100))

    def killed(name: str) -> None:
        if name == "importer.before_commit" and next(passes) == transactions:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(importing, "failpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            command("import_samples", str(file))
    assert len(contents()) < len(several)
    told = command("import_samples", str(file), "--resume")
    assert ("frames were stored before" in told) == (transactions > 1)
    assert contents() == several
    assert "\n0 samples stored" in command("import_samples", str(file), "--resume")


def test_both_killed_for_real(
    several: Contents, file: Path, process_env: Callable[..., dict[str, str]]
) -> None:
    def killed(name: str, point: str) -> int:
        environment = process_env(TELEMETRY_FAILPOINTS=f"{point}=kill9@1")
        told = [sys.executable, "manage.py", name, str(file)]
        return subprocess.run(told, env=environment, capture_output=True, check=False).returncode

    assert killed("export", "export.after_place") == -9
    command("export", str(file), "--resume")
    empty_samples()
    assert killed("import_samples", "importer.before_commit") == -9
    assert contents() == {}
    command("import_samples", str(file), "--resume")
    assert contents() == several


def test_what_changed_after_an_import_is_not_undone_by_going_on(
    several: Contents, file: Path
) -> None:
    command("export", str(file))
    (at, *_) = stored("vm-a")
    store(("vm-a", at, 42.0))
    command("import_samples", str(file))
    assert stored("vm-a")[at] == 1.0  # the file's
    store(("vm-a", at, 42.0))
    command("import_samples", str(file), "--resume")
    assert stored("vm-a")[at] == 42.0


def test_the_counterpart_of_the_import_writes_its_form_whatever_the_file_ends_with(
    several: Contents, tmp_path: Path
) -> None:
    file = tmp_path / "samples.csv"
    command("export_samples", str(file))
    empty_samples()
    command("import_samples", str(file))
    assert contents() == several


def test_two_imports_at_once(several: Contents, file: Path) -> None:
    command("export", str(file))
    empty_samples()
    with ThreadPoolExecutor() as pool:
        work = in_a_thread(lambda: command("import_samples", str(file)))
        for running in [pool.submit(work) for _ in range(3)]:
            running.result(60)
    assert contents() == several


def test_notes_of_imports_are_kept_for_a_month(several: Contents, file: Path) -> None:
    command("export", str(file))
    command("import_samples", str(file))
    keep_house()
    assert SampleImport.objects.count() == 1
    SampleImport.objects.update(updated_at=now() - timedelta(days=31))
    keep_house()
    assert not SampleImport.objects.exists()


# --- what is in the file, and what is said -------------------------------------------------------


def test_only_what_is_selected_goes_out(several: Contents, file: Path) -> None:
    today = now_us() // DAY * DAY
    store_batches([batch_of((resource("vm-b"), "memory", 5.0, today))])
    uuid = str(Resource.objects.get(original_id="vm-c").uuid)
    chosen = ["--resource", "vm-b", "--resource", uuid, "--meter", "cpu"]
    times = [
        f"--start={from_us(today - DAY + 2).isoformat()}",
        f"--stop={from_us(today).isoformat()}",
    ]
    command("export", str(file), *chosen, *times)
    assert rows_in(file) == [("vm-b", today - DAY + 2, 2.0), ("vm-c", today - DAY + 2, 2.0)]
    assert "No metric fits" in command("export", f"{file}.none", "--meter", "nosuch")
    assert rows_in(Path(f"{file}.none")) == []


def test_metadata_too_large_for_one_batch_is_split(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MAX_BATCH_BYTES", 2_000)
    at = now_us() - SECOND
    for number in range(5):
        one = resource(f"vm-{number}", metadata={"text": "x" * 1_500})
        store_batches([batch_of((one, "cpu", 1.0, at), (one, "memory", 2.0, at))])
    before = contents()
    command("export", str(file))
    empty_samples()
    command("import_samples", str(file))
    assert contents() == before


def test_a_metric_without_name_resource_or_history(file: Path) -> None:
    """As the metric API makes them."""
    at = now()
    alone = Resource.objects.create(
        original_id=str(uuid4()), creator="u:p", type=STANDALONE, revision_start=at, started_at=at
    )
    metric = Metric.objects.create(resource=alone, name="", creator="u:p")
    times = np.array([0, now_us(), wire.STORED.latest_us // DAY * DAY])
    add_rows(head.Rows(np.full(3, metric.pk), times, np.array([1.0, -0.0, 1e308])))
    command("export", str(file))
    empty_samples()
    command("import_samples", str(file))
    ((key, (_, _, rows)),) = contents().items()
    assert key == (alone.original_id, "u:p", "")
    assert [at for at, *_ in rows] == times.tolist()
    assert Resource.objects.get().type == STANDALONE


class TestSentences:
    def test_a_file_that_is_there_is_never_overwritten(self, several: Contents, file: Path) -> None:
        command("export", str(file))
        with pytest.raises(CommandError, match="is there already"):
            command("export", str(file))
        assert "is complete" in command("export", str(file), "--resume")
        file.rename(f"{file}.part")
        with pytest.raises(CommandError, match="go on with --resume, or remove it"):
            command("export", str(file))
        with pytest.raises(CommandError, match="begun with another selection"):
            command("export", str(file), "--resume", "--meter", "cpu")

    def test_a_file_that_is_being_written(self, several: Contents, file: Path) -> None:
        def again(name: str) -> None:
            with pytest.raises(CommandError, match="is being written by another export"):
                command("export", str(file), "--resume")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("meters.sample_export.failpoint", again)
            command("export", str(file))
        assert file.exists()

    @pytest.mark.parametrize("name", ["export", "import_samples"])
    def test_no_such_place(self, several: Contents, tmp_path: Path, name: str) -> None:
        with pytest.raises(CommandError, match="No such file or directory"):
            command(name, str(tmp_path / "nowhere" / "samples"))

    def test_a_time_that_is_none(self, several: Contents, file: Path) -> None:
        with pytest.raises(CommandError, match="--start"):
            command("export", str(file), "--start=yesterday-ish")

    def test_what_comes_before_a_broken_place_is_stored(
        self, several: Contents, file: Path
    ) -> None:
        command("export", str(file))
        whole = file.read_bytes()
        middle = len(whole) // 2
        for broken in (whole[:middle], whole[:middle] + b"\0" * 40 + whole[middle + 40 :]):
            empty_samples()
            file.write_bytes(broken)
            with pytest.raises(
                CommandError, match=r"samples: (Frame \d+ can't|The file ends early)"
            ):
                command("import_samples", str(file))
            assert 0 < len(contents()) < len(several)
        file.write_bytes(whole)
        command("import_samples", str(file), "--resume")
        assert contents() == several

    def test_frames_that_cannot_be_stored(self, several: Contents, file: Path) -> None:
        command("export", str(file))
        frames = list(Reader(io.BytesIO(file.read_bytes())))
        first = frames[0]
        assert isinstance(first, Samples)
        batch = wire.decode_batch(first.batch)
        assert batch.samples is not None
        cut = msgspec.structs.replace(batch.samples, catalogue=wire.encode(wire.Catalogue([], [])))
        for bad in (
            msgspec.structs.replace(first, batch=b"no batch"),
            msgspec.structs.replace(
                first, batch=wire.encode(wire.Batch(1, batch.batch_id, "a", 0))
            ),
            msgspec.structs.replace(
                first, batch=wire.encode(msgspec.structs.replace(batch, samples=cut))
            ),
        ):
            with open(file, "wb") as stream:
                writer = Writer(stream)
                writer.begin(Header(FORMAT, VERSION, uuid4(), 0, Selection()))
                writer.add(bad)
                writer.end()
            with pytest.raises(CommandError, match=r"^.*samples: Frames? 1"):
                command("import_samples", str(file))
        assert contents() == several

    def test_a_terminal_shows_a_bar(self, several: Contents, file: Path) -> None:
        for name, shown in (("export", "resources"), ("import_samples", "import")):
            bar = _Terminal()
            call_command(name, str(file), stderr=bar)
            assert shown in bar.getvalue()

    def test_samples_past_the_retention_are_told_of(
        self, several: Contents, file: Path, settings: Any
    ) -> None:
        command("export", str(file))
        settings.TELEMETRY_RETENTION_DAYS = 2
        assert "14 of them are older" in command("import_samples", str(file))


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_through_a_pipe(
    several: Contents, process_env: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    def run(name: str, given: bytes = b"") -> bytes:
        told = [sys.executable, "manage.py", name, "-"]
        done = subprocess.run(told, env=process_env(), input=given, capture_output=True, check=True)
        return done.stdout

    out = run("export")
    empty_samples()
    run("import_samples", out)
    assert contents() == several
