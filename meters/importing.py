"""Samples from a file into the store, through the one way in.

A transaction takes some frames and notes how far the import has come, so that it goes on there when
it was killed: nothing is lost, and nothing is stored again that may have changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from django.db import DataError, IntegrityError, transaction
from django.db.models.functions import Now

from meters import wire
from meters.models import SampleImport
from meters.retention import earliest
from meters.sample_file import End, Reader, SampleFileError, Samples
from meters.store.compaction import tend
from meters.store.write import store_batches
from telemetry_site.clock import now, to_us
from telemetry_site.database import left_to_the_next_run
from telemetry_site.failpoints import failpoint

#: Of batches in one transaction: some 50 000 samples.
BYTES_AT_ONCE = 1 << 20
#: After so many the head is tidied here too, for the case that nothing else runs.
SAMPLES_BETWEEN_TENDING = 5_000_000


class Done(NamedTuple):
    """Of one transaction: samples stored, and how many of them are older than the retention."""

    samples: int
    ancient: int


class Numbered(NamedTuple):
    """A batch by the number of its frame."""

    frame: int
    creator: str
    batch: wire.Batch
    bytes: int


def frames_imported(reader: Reader) -> int:
    """How many frames of this file an import has stored already."""
    noted = SampleImport.objects.filter(pk=reader.header.export_id).first()
    return noted.frames if noted else 0


def store_file(reader: Reader, skip: int = 0) -> Iterator[Done]:
    """Store all frames but the first `skip`; one `Done` for each transaction.

    Raises `SampleFileError` where the file is bad: what comes before that place is stored.
    """
    since_tended = 0
    for together in _together(_batches(reader, skip)):
        done = _store(reader.header.export_id, together)
        yield done
        since_tended += done.samples
        if since_tended >= SAMPLES_BETWEEN_TENDING:
            since_tended = 0
            with left_to_the_next_run("compaction"):
                tend()


def _batches(reader: Reader, skip: int) -> Iterator[Numbered]:
    for number, frame in enumerate(reader, 1):
        if isinstance(frame, End):
            if frame.frames != number - 1:
                raise SampleFileError(f"Of {frame.frames} frames there are {number - 1}.")
        elif number > skip:
            yield Numbered(number, frame.creator, _decode(number, frame), len(frame.batch))


def _decode(number: int, frame: Samples) -> wire.Batch:
    try:
        batch = wire.decode_batch(frame.batch)
    except wire.WireError as error:
        raise SampleFileError(f"Frame {number}: {error}") from error
    if batch.samples is None or batch.events or batch.reports or batch.rejects:
        raise SampleFileError(f"Frame {number} has no samples, or more than samples.")
    return batch


def _together(batches: Iterator[Numbered]) -> Iterator[list[Numbered]]:
    """As many as one transaction is to take; also what came before a bad place."""
    waiting: list[Numbered] = []
    size, problem = 0, None
    try:
        for one in batches:
            waiting.append(one)
            size += one.bytes
            if size >= BYTES_AT_ONCE:
                yield waiting
                waiting, size = [], 0
    except SampleFileError as error:
        problem = error
    if waiting:
        yield waiting
    if problem is not None:
        raise problem


def _store(export_id: UUID, batches: Sequence[Numbered]) -> Done:
    samples = 0
    try:
        with transaction.atomic():
            for creator, run in groupby(batches, key=lambda one: one.creator):
                results = store_batches([one.batch for one in run], creator, wire.STORED)
                samples += sum(result.samples for result in results)
            noted = {"frames": batches[-1].frame, "updated_at": Now()}
            SampleImport.objects.update_or_create(pk=export_id, defaults=noted)
            failpoint("importer.before_commit")
    except (wire.WireError, DataError, IntegrityError) as error:
        first, last = batches[0].frame, batches[-1].frame
        reason = str(error).splitlines()[0]
        raise SampleFileError(f"Frames {first} to {last} can't be stored: {reason}") from error
    return Done(samples, sum(_ancient(one.batch) for one in batches))


def _ancient(batch: wire.Batch) -> int:
    assert batch.samples is not None
    columns = wire.decode_columns(batch.samples, wire.STORED)
    return int((columns.timestamp < to_us(earliest(now()))).sum())
