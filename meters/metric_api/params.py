"""Query parameters. Unknown ones are ignored, of a repeated one the last counts."""

from __future__ import annotations

from django.http import QueryDict

from meters.metric_api import times
from meters.metric_api.errors import bad_argument, bad_request
from meters.timespans import TimespanError, timespan_us

_YES = ("1", "t", "true", "on", "y", "yes")
_NO = ("0", "f", "false", "off", "n", "no")


class Params:
    """The parameters of one request; None where one is absent. Raises `ApiError`."""

    def __init__(self, query: QueryDict) -> None:
        self.query = query

    def text(self, name: str) -> str | None:
        return self.query.get(name)

    def texts(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated."""
        return self.query.getlist(name)

    def flag(self, name: str, default: bool = False) -> bool:
        text = self.query.get(name)
        return default if text is None else parse_flag(name, text)

    def time_us(self, name: str) -> int | None:
        text = self.query.get(name)
        if text is None:
            return None
        try:
            return times.to_us(text)
        except times.TimeError as error:
            raise bad_argument(name, "Must be a datetime or a timestamp") from error

    def timespan_us(self, name: str) -> int | None:
        text = self.query.get(name)
        return None if text is None else parse_timespan(name, text)


def parse_flag(name: str, text: str) -> bool:
    """Raises `ApiError` with the words that clients know."""
    folded = text.strip().lower()
    if folded in _YES or folded in _NO:
        return folded in _YES
    known = ", ".join(repr(word) for word in sorted(_YES + _NO))
    raise bad_request(
        f"Unable to parse `{name}': Unrecognized value '{text}', acceptable values are: {known}"
    )


def parse_timespan(name: str, text: str) -> int:
    """Microseconds. Raises `ApiError`."""
    try:
        return timespan_us(text)
    except TimespanError as error:
        raise bad_argument(name, str(error)) from error
