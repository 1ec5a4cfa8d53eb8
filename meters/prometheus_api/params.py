"""Parameters of queries and forms, as Prometheus reads them. Times are microseconds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from django.http import QueryDict

from meters.prometheus_api.errors import bad_data
from meters.promql.parsing import parse_query, parse_selector, prettified
from meters.promql.tables import PromqlError
from meters.promql.tree import Node, Selector
from telemetry_site.clock import to_us

_N = TypeVar("_N")
_UNITS = {
    "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000,
    "w": 604_800_000_000, "y": 31_536_000_000_000,
}  # fmt: skip
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+", re.ASCII)
_PIECE = re.compile(r"(\d+)(ms|[smhdwy])", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
EARLIEST_US, LATEST_US = (to_us(datetime(year, 1, 1, tzinfo=UTC)) for year in (1900, 2200))
MAX_LENGTH = 65_536


class Params:
    """Raises `ApiError` that names the parameter."""

    def __init__(self, query: QueryDict, form: QueryDict) -> None:
        self._query = query
        self._form = form

    def texts(self, name: str) -> list[str]:
        found = [*self._query.getlist(name), *self._form.getlist(name)]
        if any("\0" in text or len(text) > MAX_LENGTH for text in found):
            raise bad_data(name, "holds a NUL character or is too long")
        return found

    def text(self, name: str) -> str:
        """ "" where it is not given."""
        return next(iter(self.texts(name)), "")

    def time_us(self, name: str, usual_us: int | None = None) -> int:
        """Seconds since 1970, or RFC 3339."""
        text = self.text(name)
        if not text:
            if usual_us is None:
                raise bad_data(name, "is missing")
            return usual_us
        found = _moment(text)
        if found is None or not EARLIEST_US <= found <= LATEST_US:
            raise bad_data(name, f"cannot parse {text[:80]!r} to a valid timestamp")
        return found

    def duration_us(self, name: str) -> int:
        """Seconds, or 1h30m."""
        text = self.text(name)
        found = _duration(text)
        if found is None or not 0 < found <= LATEST_US:
            raise bad_data(name, f"cannot parse {text[:80]!r} to a positive duration")
        return found

    def limit(self) -> int | None:
        """None: without."""
        text = self.text("limit")
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise bad_data("limit", "must be a whole number")
        return int(text) or None

    def expression(self) -> Node:
        return self._parsed("query", self.text("query"), parse_query)

    def pretty(self) -> str:
        """The expression, set out on lines."""
        return self._parsed("query", self.text("query"), prettified)

    def selectors(self, at_least_one: bool) -> list[Selector]:
        found = [self._parsed("match[]", text, parse_selector) for text in self.texts("match[]")]
        if at_least_one and not found:
            raise bad_data("match[]", "no match[] parameter provided")
        return found

    def _parsed(self, name: str, text: str, parse: Callable[[str], _N]) -> _N:
        try:
            return parse(text)
        except PromqlError as error:
            raise bad_data(name, f"the expression {error}") from error


def _moment(text: str) -> int | None:
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return round(seconds * 1e6) if abs(seconds) < 1e12 else None
    try:
        moment = datetime.fromisoformat(text)
        return to_us(moment) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _duration(text: str) -> int | None:
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return round(seconds * 1e6) if math.isfinite(seconds) and seconds < 1e12 else None
    if not _DURATION.fullmatch(text) or len(text) > 64:
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))
