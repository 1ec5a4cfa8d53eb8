"""Tables as the answer to a request: CSV, Arrow or Parquet, streamed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.http import StreamingHttpResponse
from rest_framework.exceptions import NotAcceptable
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from meters import arrow
from meters.api.params import Param, choice
from meters.columnar import Table, csv_chunks


class Format(NamedTuple):
    content_type: str
    chunks: Callable[[Table], Iterator[str | bytes]]


FORMATS = {
    "csv": Format("text/csv; charset=utf-8; header=present", csv_chunks),
    "arrow": Format("application/vnd.apache.arrow.stream", arrow.arrow_chunks),
    "parquet": Format("application/vnd.apache.parquet", arrow.parquet_chunks),
}
NAMES = ["json", *FORMATS]
FORMAT = Param("format", choice(NAMES), f"{', '.join(NAMES)}; also by Accept.", choices=NAMES)


class StreamedRenderer(BaseRenderer):
    """Only lets its type be negotiated; the view streams the answer itself."""

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        raise NotImplementedError("views that offer tables answer with `table_response`")


class CsvRenderer(StreamedRenderer):
    media_type = "text/csv"
    format = "csv"


class ArrowRenderer(StreamedRenderer):
    media_type = "application/vnd.apache.arrow.stream"
    format = "arrow"
    charset = None
    render_style = "binary"


class ParquetRenderer(StreamedRenderer):
    media_type = "application/vnd.apache.parquet"
    format = "parquet"
    charset = None
    render_style = "binary"


RENDERERS = [JSONRenderer, CsvRenderer, ArrowRenderer, ParquetRenderer]


def wanted_format(request: Request) -> str:
    """A name of NAMES. The parameter `format` counts more than the header `Accept`."""
    asked = FORMAT.read(request.query_params)
    found = str(request.accepted_renderer.format) if asked is None else asked
    if found in ("arrow", "parquet") and not arrow.is_installed():
        raise NotAcceptable(arrow.MISSING)
    return found


def table_response(name: str, format_name: str, table: Table) -> StreamingHttpResponse:
    """The table as an attachment. Whatever fails before the first chunk is an ordinary error;

    a failure later ends the connection without the last chunk, so nobody takes half for all.
    """
    chosen = FORMATS[format_name]
    chunks = chosen.chunks(table)
    first = next(chunks)
    return StreamingHttpResponse(
        itertools.chain([first], chunks),
        content_type=chosen.content_type,
        headers={"Content-Disposition": f'attachment; filename="telemetry-{name}.{format_name}"'},
    )
