"""CSV (S42): text cells can't become formulas, numbers stay numbers, rows are streamed."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from meters.api.params import Param, choice

#: What spreadsheets take for the beginning of a formula, full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
ROWS_A_CHUNK = 500
FORMAT = Param(
    "format", choice(["csv", "json"]), "csv or json; also by Accept.", choices=["csv", "json"]
)

Cell = str | int | float | None


class CsvRenderer(BaseRenderer):
    """Only lets `Accept: text/csv` be negotiated; the view streams the answer itself."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        raise NotImplementedError("views that offer CSV answer with `csv_response`")


def wants_csv(request: Request) -> bool:
    """The parameter `format` counts more than the header `Accept`."""
    asked = FORMAT.read(request.query_params)
    if asked is not None:
        return asked == "csv"
    return bool(request.accepted_renderer.format == "csv")


def csv_response(
    name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> StreamingHttpResponse:
    """The rows as an attachment. Whatever fails before the first chunk is an ordinary error;

    a failure later ends the connection without the last chunk, so nobody takes half for all.
    """
    chunks = _chunks(itertools.chain([header], rows))
    first = next(chunks)
    return StreamingHttpResponse(
        itertools.chain([first], chunks),
        content_type="text/csv; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="telemetry-{name}.csv"'},
    )


def _chunks(rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    rows = iter(rows)
    while batch := list(itertools.islice(rows, ROWS_A_CHUNK)):
        yield "".join(writer.writerow([_safe(cell) for cell in row]) for row in batch)


def _safe(cell: Cell) -> Cell:
    """Text that looks like a formula gets a quote in front (S42)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


class _Echo:
    """A file whose `write` gives back the line, for `csv.writer`."""

    def write(self, line: str) -> str:
        return line
