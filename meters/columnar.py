"""Tables on their way out, in blocks of columns, so that none is ever whole in memory.

CSV is written here, Arrow and Parquet by `meters.arrow`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

#: What spreadsheets take for the beginning of a formula, full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
ROWS_A_CHUNK = 500

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]
Cell = str | float | None
#: A column is of times (µs since 1970), of numbers (float64, NaN = none), or of `Labels`.
Kind = Literal["time", "number", "text"]


class Labels(NamedTuple):
    """Text of which many rows have the same: row i has `texts[places[i]]`. None = none."""

    texts: Sequence[str | None]
    places: npt.NDArray[np.int64]

    @classmethod
    def same(cls, text: str | None, rows: int) -> Labels:
        return cls([text], np.zeros(rows, dtype=np.int64))


Column = Numbers | Labels
Block = Sequence[Column]


@dataclass(frozen=True)
class Table:
    """`columns` in their order, the first one of times; a block has all of them."""

    columns: Mapping[str, Kind]
    blocks: Iterable[Block]

    def parts(self, rows: int) -> Iterator[Block]:
        """The blocks, cut so that none has more rows."""
        for block in self.blocks:
            for at in range(0, rows_in(block), rows):
                yield [_cut(column, slice(at, at + rows)) for column in block]


def rows_in(block: Block) -> int:
    first = block[0]
    return len(first.places if isinstance(first, Labels) else first)


def _cut(column: Column, part: slice) -> Column:
    return Labels(column.texts, column.places[part]) if isinstance(column, Labels) else column[part]


def csv_chunks(table: Table, header: bool = True) -> Iterator[str]:
    """Text cells can't become formulas (S42), numbers stay numbers."""
    writer = csv.writer(_Echo())
    waiting: str = writer.writerow(table.columns) if header else ""
    for block in table.parts(ROWS_A_CHUNK):
        cells = [
            _cells(kind, column) for kind, column in zip(table.columns.values(), block, strict=True)
        ]
        yield waiting + "".join(map(writer.writerow, zip(*cells, strict=True)))
        waiting = ""
    if waiting:
        yield waiting


def _cells(kind: Kind, column: Column) -> list[Cell]:
    if isinstance(column, Labels):
        return [_safe(column.texts[place]) for place in column.places.tolist()]
    if kind == "time":
        return list(iso_texts(column))
    return [None if value != value else value for value in column.tolist()]


def iso_texts(timestamps_us: Numbers) -> list[str]:
    """Times as ISO 8601 in UTC, with the microseconds where there are any."""
    texts = np.datetime_as_string(timestamps_us.astype("datetime64[us]"), timezone="UTC")
    return [text.replace(".000000Z", "Z") for text in texts.tolist()]


def _safe(cell: str | None) -> str | None:
    """Text that looks like a formula gets a quote in front (S42)."""
    return f"'{cell}" if cell is not None and cell.startswith(_FORMULA) else cell


class _Echo:
    """A file whose `write` gives back the line, for `csv.writer`."""

    def write(self, line: str) -> str:
        return line
