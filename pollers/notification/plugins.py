"""Plugins of definition files: they turn the matches of a field into values.

The four of the field's definition files, with their parameters. Each takes [(place, value), …]
without nulls and returns the values it makes of them; `many` says that it returns one a match, as
a `lookup` needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pollers.notification.times import parse_time
from telemetry_site.yamlfile import DefinitionError

Matches = list[tuple[str, Any]]
#: More than any text has; `str.split` takes no larger number.
MOST_SPLITS = 1 << 31


class Plugin(Protocol):
    many: bool

    def __call__(self, matches: Matches) -> list[Any]: ...


class Split:
    """A piece of a text; nothing where there is no such piece."""

    many = True

    def __init__(
        self, separator: str = ".", segment: int = 0, max_split: int | None = None
    ) -> None:
        _require(isinstance(separator, str) and separator != "", "separator must be text")
        _require(_is_int(segment), "segment must be a whole number")
        _require(max_split is None or _is_int(max_split), "max_split must be a whole number")
        self.separator, self.segment = separator, segment
        self.max_split = -1 if max_split is None else min(max(max_split, -1), MOST_SPLITS)

    def __call__(self, matches: Matches) -> list[Any]:
        split = (str(value).split(self.separator, self.max_split) for _, value in matches)
        in_range = (pieces for pieces in split if -len(pieces) <= self.segment < len(pieces))
        return [pieces[self.segment] for pieces in in_range]


class Bitfield:
    """Bits that are set where a path is there (and equal to `value`, if that is given)."""

    many = False

    def __init__(
        self, initial_bitfield: int = 0, flags: list[dict[str, Any]] | None = None
    ) -> None:
        _require(_is_int(initial_bitfield), "initial_bitfield must be a whole number")
        self.initial = initial_bitfield
        self.flags = flags or []
        for flag in self.flags:
            _require(
                isinstance(flag, dict) and isinstance(flag.get("path"), str),
                "each flag needs a path",
            )
            _require(
                _is_int(flag.get("bit")) and 0 <= flag["bit"] < 63, "each flag needs a bit of 0…62"
            )

    def __call__(self, matches: Matches) -> list[Any]:
        found = dict(matches)
        bits = self.initial
        for flag in self.flags:
            there = flag["path"] in found
            if there and ("value" not in flag or found[flag["path"]] == flag["value"]):
                bits |= 1 << flag["bit"]
        return [bits]


class Timedelta:
    """Seconds between exactly two times, never negative; nothing where one is missing."""

    many = False

    def __call__(self, matches: Matches) -> list[Any]:
        if len(matches) != 2 or "" in (matches[0][1], matches[1][1]):
            return []
        start, end = (parse_time(value) for _, value in matches)
        return [abs(end - start) / 1e6]


class Map:
    """Values replaced by a table; `default` for those that are not in it."""

    many = True

    def __init__(
        self,
        values: dict[Any, Any] | None = None,
        default: Any = None,
        case_sensitive: bool = True,
    ) -> None:
        _require(isinstance(values, dict) and bool(values), "values must be a mapping")
        _require(isinstance(case_sensitive, bool), "case_sensitive must be true or false")
        self.case_sensitive = case_sensitive
        self.values = {self._key(key): value for key, value in (values or {}).items()}
        self.default = default

    def __call__(self, matches: Matches) -> list[Any]:
        mapped = (self._mapped(value) for _, value in matches)
        return [value for value in mapped if value is not None]

    def _mapped(self, value: Any) -> Any:
        if isinstance(value, dict | list):
            return self.default
        return self.values.get(self._key(value), self.default)

    def _key(self, value: Any) -> Any:
        fold = isinstance(value, str) and not self.case_sensitive
        return value.casefold() if fold else value


PLUGINS: dict[str, Callable[..., Plugin]] = {
    "split": Split,
    "bitfield": Bitfield,
    "timedelta": Timedelta,
    "map": Map,
}


def make_plugin(name: object, parameters: dict[str, Any]) -> Plugin:
    """Raises `DefinitionError` for an unknown plugin or parameters that do not fit it."""
    if not isinstance(name, str) or name not in PLUGINS:
        raise DefinitionError(f"there is no plugin {name!r}, only {', '.join(PLUGINS)}")
    try:
        return PLUGINS[name](**parameters)
    except (TypeError, DefinitionError) as error:
        raise DefinitionError(f"plugin {name}: {error}") from error


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise DefinitionError(text)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
