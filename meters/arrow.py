"""Tables as Arrow streams and Parquet files, where the optional package pyarrow is installed.

Times become `timestamp[us, UTC]`, numbers `float64`, text a dictionary of strings. A reader gets at
most `ROWS_A_BATCH` rows a record batch or row group; so many are in memory here, too.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, BinaryIO

import numpy as np

from meters.columnar import Block, Column, Kind, Labels, Table

ROWS_A_BATCH = 1 << 17
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
MISSING = "Arrow and Parquet need the package pyarrow here: pip install 'telemetry[arrow]'."


def is_installed() -> bool:
    return importlib.util.find_spec("pyarrow") is not None


@cache
def _pyarrow() -> Any:
    """It takes 45 MiB, which only processes need that write its formats."""
    import pyarrow
    import pyarrow.parquet

    return pyarrow


def arrow_chunks(table: Table) -> Iterator[bytes]:
    """The table in Arrow's streaming format; the first chunk holds the schema and first rows."""
    sink = Sink()
    with _pyarrow().ipc.new_stream(sink, schema(table.columns)) as writer:
        for batch in batches(table):
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


def parquet_chunks(table: Table) -> Iterator[bytes]:
    """The table as a Parquet file, whose footer comes last."""
    sink = Sink()
    with _pyarrow().parquet.ParquetWriter(
        sink, schema(table.columns), compression="zstd"
    ) as writer:
        for batch in batches(table):
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


class Sink(io.RawIOBase):
    """A file that is handed on in pieces."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()
        self._taken = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = len(self._waiting)
        self._waiting += data
        return len(self._waiting) - size

    def tell(self) -> int:
        return self._taken + len(self._waiting)

    def taken(self) -> bytes:
        """What was written since the last call."""
        found = bytes(self._waiting)
        self._taken += len(found)
        self._waiting.clear()
        return found


class StreamEncoder:
    """An Arrow stream that is written table by table, all with these columns.

    `begin` gives the schema; one that goes on leaves it out, since it stands in the stream already.
    """

    def __init__(self, columns: Mapping[str, Kind]) -> None:
        self._sink = Sink()
        self._schema = schema(columns)
        self._writer = _pyarrow().ipc.new_stream(self._sink, self._schema)
        self._schema_out = False

    def begin(self) -> bytes:
        """The schema, as every stream begins with it."""
        with _pyarrow().ipc.new_stream(empty := Sink(), self._schema):
            pass
        return empty.taken()[: -len(_END_OF_STREAM)]

    def add(self, table: Table) -> Iterator[bytes]:
        for batch in batches(table):
            self._writer.write_batch(batch)
            yield self._taken()

    def end(self) -> bytes:
        self._writer.close()
        return self._taken()

    def _taken(self) -> bytes:
        """Without the schema, that `begin` has given."""
        found = self._sink.taken()
        if self._schema_out:
            return found
        self._schema_out = True
        return found[len(self.begin()) :]


def stream_to_parquet(stream: BinaryIO, out: BinaryIO) -> None:
    """Batch by batch."""
    with _pyarrow().ipc.open_stream(stream) as reader:
        kind = {"compression": "zstd"}
        with _pyarrow().parquet.ParquetWriter(out, reader.schema, **kind) as writer:
            for batch in reader:
                writer.write_batch(batch)


def schema(columns: Mapping[str, Kind]) -> Any:
    types = {
        "time": _pyarrow().timestamp("us", tz="UTC"),
        "number": _pyarrow().float64(),
        "text": _pyarrow().dictionary(_pyarrow().int32(), _pyarrow().string()),
    }
    return _pyarrow().schema([(name, types[kind]) for name, kind in columns.items()])


def batches(table: Table) -> Iterator[Any]:
    """Record batches of up to `ROWS_A_BATCH` rows; small blocks go together."""
    made_of = schema(table.columns)
    waiting: list[Any] = []
    rows = 0
    for block in table.parts(ROWS_A_BATCH):
        batch = _batch(block, table.columns.values(), made_of)
        if waiting and rows + batch.num_rows > ROWS_A_BATCH:
            yield _joined(waiting)
            waiting, rows = [], 0
        waiting.append(batch)
        rows += batch.num_rows
    if waiting:
        yield _joined(waiting)


def _batch(block: Block, kinds: Iterable[Kind], made_of: Any) -> Any:
    columns = [_array(column, kind) for column, kind in zip(block, kinds, strict=True)]
    return _pyarrow().RecordBatch.from_arrays(columns, schema=made_of)


def _joined(parts: list[Any]) -> Any:
    """One batch whose columns have one dictionary each."""
    if len(parts) == 1:
        return parts[0]
    whole = _pyarrow().Table.from_batches(parts).unify_dictionaries().combine_chunks()
    (batch,) = whole.to_batches()
    return batch


def _array(column: Column, kind: Kind) -> Any:
    if isinstance(column, Labels):
        return _dictionary(column)
    if kind == "time":
        return _pyarrow().array(column.astype(np.int64)).cast(_pyarrow().timestamp("us", tz="UTC"))
    return _pyarrow().array(column, mask=np.isnan(column), type=_pyarrow().float64())


def _dictionary(labels: Labels) -> Any:
    """Each text once, as readers with categories want it."""
    found: dict[str, int] = {}
    codes = np.array(
        [-1 if text is None else found.setdefault(text, len(found)) for text in labels.texts],
        dtype=np.int32,
    )
    indices = codes[labels.places]
    return _pyarrow().DictionaryArray.from_arrays(
        _pyarrow().array(indices, mask=indices < 0),
        _pyarrow().array(list(found), _pyarrow().string()),
    )
