"""A table in a file: CSV, Arrow or Parquet, written piece by piece, gone on with after a kill.

Beside `FILE.part` lies `FILE.part.place`, which says up to which byte it is whole and where the
export goes on. CSV and Arrow can simply be cut there. Parquet has its footer at the end, so its
part is an Arrow stream, and becomes Parquet when all is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from meters import arrow
from meters.columnar import Block, Kind, Table, csv_chunks, rows_in
from meters.part_file import PartFileError, alone, is_begun, part_of
from meters.sample_file import Place, Selection
from meters.table_export import Asked, columns_of, settled, table_pieces
from telemetry_site.clock import now
from telemetry_site.failpoints import failpoint

FORMATS: dict[str, Callable[[Table], Iterator[str | bytes]]] = {
    "csv": csv_chunks, "arrow": arrow.arrow_chunks, "parquet": arrow.parquet_chunks,
}  # fmt: skip
NOTHING = Asked(Selection())


class Mark(msgspec.Struct, frozen=True):
    """So many bytes and rows are whole; the export goes on at `place`.

    `given` is what the command was asked, `asked` the same with both ends of its time.
    """

    format: str
    given: Asked
    asked: Asked
    place: Place | None = None
    bytes: int = 0
    rows: int = 0


class Encoder(Protocol):
    def begin(self) -> bytes: ...

    def add(self, table: Table) -> Iterator[bytes]: ...

    def end(self) -> bytes: ...


class CsvEncoder:
    def __init__(self, columns: Mapping[str, Kind]) -> None:
        self._columns = columns

    def begin(self) -> bytes:
        return "".join(csv_chunks(Table(self._columns, []))).encode()

    def add(self, table: Table) -> Iterator[bytes]:
        for chunk in csv_chunks(table, header=False):
            yield chunk.encode()

    def end(self) -> bytes:
        return b""


def write_table(
    path: Path, format_name: str, asked: Asked, resume: bool, advance: Callable[[Place], None]
) -> int:
    """Write the file, or go on with it; returns how many rows it has. Raises `PartFileError`."""
    part = part_of(path)
    if is_begun(path, resume):
        mark = _left(part, format_name, asked)
    else:
        mark = Mark(format_name, asked, settled(asked, now()))
        _note(part, mark)
        part.touch()
    with open(part, "r+b") as stream:
        alone(stream)
        if stream.seek(0, os.SEEK_END) < mark.bytes:
            raise PartFileError(f"{part} is shorter than {_beside(part)} says.")
        stream.truncate(mark.bytes)
        stream.seek(mark.bytes)
        rows = _write(stream, part, mark, advance)
        os.fsync(stream.fileno())
        # While it is locked: who waits for it must not begin to write what has its name already.
        if format_name == "parquet":
            _as_parquet(part, path)
        else:
            part.rename(path)
        _beside(part).unlink()
    return rows


def stream_table(
    stream: BinaryIO, format_name: str, asked: Asked, advance: Callable[[Place], None]
) -> int:
    """Write it in one go; returns how many rows it has."""
    fixed, counted = settled(asked, now()), _Counter(0)

    def blocks() -> Iterator[Block]:
        for table, place in table_pieces(fixed):
            yield from counted.through(table).blocks
            advance(place)

    for chunk in FORMATS[format_name](Table(columns_of(fixed), blocks())):
        stream.write(chunk if isinstance(chunk, bytes) else chunk.encode())
    stream.flush()
    return counted.rows


def _write(stream: BinaryIO, part: Path, mark: Mark, advance: Callable[[Place], None]) -> int:
    columns = columns_of(mark.asked)
    made = CsvEncoder if mark.format == "csv" else arrow.StreamEncoder
    encoder: Encoder = made(columns)
    if not mark.bytes:
        stream.write(encoder.begin())
    counted = _Counter(mark.rows)
    for table, place in table_pieces(mark.asked, mark.place):
        for chunk in encoder.add(counted.through(table)):
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
        here = {"place": place, "bytes": stream.tell(), "rows": counted.rows}
        _note(part, msgspec.structs.replace(mark, **here))
        advance(place)
        failpoint("export.after_place")
    stream.write(encoder.end())
    stream.flush()
    return counted.rows


class _Counter:
    def __init__(self, rows: int) -> None:
        self.rows = rows

    def through(self, table: Table) -> Table:
        return Table(table.columns, self._blocks(table))

    def _blocks(self, table: Table) -> Iterator[Block]:
        for block in table.blocks:
            self.rows += rows_in(block)
            yield block


def _beside(part: Path) -> Path:
    return part.with_name(f"{part.name}.place")


def _note(part: Path, mark: Mark) -> None:
    """Either the old mark or the new one is there, whatever happens."""
    beside = _beside(part)
    new = beside.with_name(f"{beside.name}.new")
    with open(new, "wb") as stream:
        stream.write(msgspec.json.encode(mark))
        stream.flush()
        os.fsync(stream.fileno())
    new.rename(beside)


def _left(part: Path, format_name: str, asked: Asked) -> Mark:
    beside = _beside(part)
    try:
        mark = msgspec.json.decode(beside.read_bytes(), type=Mark)
    except FileNotFoundError as error:
        raise PartFileError(f"{beside} is missing: remove {part} and begin anew.") from error
    except msgspec.MsgspecError as error:
        raise PartFileError(f"{beside}: {error}") from error
    if mark.format != format_name:
        raise PartFileError(f"{part} was begun as {mark.format}.")
    if asked not in (NOTHING, mark.given):
        raise PartFileError(f"{part} was begun with another selection: leave it out.")
    return mark


def _as_parquet(part: Path, path: Path) -> None:
    new = path.with_name(f"{path.name}.new")
    with open(part, "rb") as stream, open(new, "wb") as parquet:
        arrow.stream_to_parquet(stream, parquet)
        parquet.flush()
        os.fsync(parquet.fileno())
    new.rename(path)
    part.unlink()
