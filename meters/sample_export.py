"""A file of samples, written frame by frame, gone on with after a kill."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from meters.exporting import export
from meters.part_file import PartFileError, alone, is_begun, part_of
from meters.sample_file import (
    FORMAT,
    VERSION,
    Header,
    Kept,
    Place,
    SampleFileError,
    Selection,
    Writer,
    kept,
)
from telemetry_site.clock import now_us
from telemetry_site.failpoints import failpoint


def write_samples(
    path: Path, selection: Selection, resume: bool, advance: Callable[[Place], None]
) -> int:
    """Write the file, or go on with it; returns how many samples it has. Raises `PartFileError`."""
    part = part_of(path)
    left = _left(part, selection) if is_begun(path, resume) else _begin(part, selection)
    with open(part, "r+b") as stream:
        alone(stream)
        stream.truncate(left.bytes)
        stream.seek(left.bytes)
        writer = Writer(stream, left.frames, left.samples)
        _write(writer, left.header.selection, left.place, advance)
        os.fsync(stream.fileno())
        part.rename(path)
    return writer.samples


def stream_samples(stream: BinaryIO, selection: Selection, advance: Callable[[Place], None]) -> int:
    writer = Writer(stream)
    writer.begin(_header(selection))
    _write(writer, selection, None, advance)
    return writer.samples


def _write(
    writer: Writer, selection: Selection, place: Place | None, advance: Callable[[Place], None]
) -> None:
    for frame in export(selection, place):
        writer.add(frame)
        if frame.place is not None:
            advance(frame.place)
            failpoint("export.after_place")
    writer.end()


def _header(selection: Selection) -> Header:
    return Header(FORMAT, VERSION, uuid.uuid4(), now_us(), selection)


def _begin(part: Path, selection: Selection) -> Kept:
    """Never a file without its header, so that whatever is there can be gone on with."""
    header, new = _header(selection), part.with_name(f"{part.name}.new")
    with open(new, "wb") as stream:
        Writer(stream).begin(header)
        os.fsync(stream.fileno())
    new.rename(part)
    return Kept(header, None, part.stat().st_size, 0, 0)


def _left(part: Path, selection: Selection) -> Kept:
    try:
        with open(part, "rb") as stream:
            left = kept(stream)
    except SampleFileError as error:
        raise PartFileError(f"{part}: {error}") from error
    if selection not in (Selection(), left.header.selection):
        raise PartFileError(f"{part} was begun with another selection: leave it out.")
    return left
