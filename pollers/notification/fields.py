"""Where a value comes from: a constant, one path or several, through a plugin if one is given."""

from __future__ import annotations

from typing import Any

from meters.wire import MAX_FLOAT
from pollers.notification.paths import Path, PathError, compile_path
from pollers.notification.plugins import Matches, Plugin, make_plugin
from pollers.scrub import Notes
from telemetry_site.yamlfile import DefinitionError, Mapping

_KEYS = {"fields", "plugin", "type", "when"}


class Field:
    """Written as a path, a number, a list of paths, or a mapping with `fields`.

    `when` is ours: the value counts only where that path has one, too.
    """

    def __init__(
        self,
        paths: list[Path],
        plugin: Plugin | None = None,
        constant: float | None = None,
        when: Path | None = None,
    ) -> None:
        self.paths = paths
        self.plugin = plugin
        self.constant = constant
        self.when = when

    def all(self, message: dict[str, Any], notes: Notes) -> list[Any]:
        """All values, nulls included (but for a plugin), as `lookup` counts them."""
        if self.constant is not None:
            return [self.constant]
        if self.plugin is None:
            return [value for _, value in self._matches(message, notes)]
        return self._through_plugin(self.plugin, message, notes)

    def first(self, message: dict[str, Any], notes: Notes) -> Any:
        """The first value that is not null, else None."""
        return next((value for value in self.all(message, notes) if value is not None), None)

    def _through_plugin(self, plugin: Plugin, message: dict[str, Any], notes: Notes) -> list[Any]:
        matches = [match for match in self._matches(message, notes) if match[1] is not None]
        try:
            return plugin(matches)
        except ValueError as error:
            notes[f"{self.paths[0].text}: {error}"] += 1
            return []

    def _matches(self, message: dict[str, Any], notes: Notes) -> Matches:
        if self.when is not None and not _has_value(self.when, message, notes):
            return []
        return [match for path in self.paths for match in _safe(path, message, notes)]


def _has_value(path: Path, message: dict[str, Any], notes: Notes) -> bool:
    return any(value is not None for _, value in _safe(path, message, notes))


def _safe(path: Path, message: dict[str, Any], notes: Notes) -> Matches:
    """The matches of one path; a path that does not fit the message has none, and is noted."""
    try:
        return path.matches(message)
    except PathError as error:
        notes[str(error)[:200]] += 1
        return []


def make_field(written: Any, name: str) -> Field:
    """Raises `DefinitionError` that names the field, with its line where that is known."""
    try:
        return _make(written)
    except DefinitionError as error:
        line = error.line or (written.line if isinstance(written, Mapping) else 0)
        raise DefinitionError(f"{name}: {error}", line) from error


def make_fields(written: Mapping, what: str) -> dict[str, Field]:
    """One for each key. Raises `DefinitionError` that names the key, with its line."""
    made = {}
    for name, path in written.items():
        try:
            made[str(name)] = make_field(path, f"{what} {name}")
        except DefinitionError as error:
            raise DefinitionError(str(error), error.line or written.line_of(name)) from error
    return made


def _make(written: Any) -> Field:
    if not isinstance(written, dict):
        return _from_fields(written)
    unknown = sorted(str(key) for key in written.keys() - _KEYS)
    if unknown:
        raise DefinitionError(f"unknown key {', '.join(unknown)}")
    if written.get("fields") is None:
        raise DefinitionError("the key 'fields' is missing")
    field = _from_fields(written["fields"])
    field.plugin = _plugin(written.get("plugin"))
    field.when = _path(written["when"]) if written.get("when") else None
    return field


def _from_fields(fields: Any) -> Field:
    if isinstance(fields, bool) or fields is None:
        raise DefinitionError(f"{fields!r} is neither a path nor a number")
    if isinstance(fields, int | float):
        if not -MAX_FLOAT <= fields <= MAX_FLOAT:
            raise DefinitionError("a number that is not finite")
        return Field([], constant=fields)
    paths = fields if isinstance(fields, list) else [fields]
    if not paths:
        raise DefinitionError("the list of paths is empty")
    return Field([_path(path) for path in paths])


def _path(text: Any) -> Path:
    if not isinstance(text, str) or not text.strip():
        raise DefinitionError(f"{text!r} is not a path")
    return compile_path(text)


def _plugin(written: Any) -> Plugin | None:
    if written is None:
        return None
    if isinstance(written, str):
        return make_plugin(written, {})
    if not isinstance(written, dict) or "name" not in written:
        raise DefinitionError("plugin: a name, or a mapping with 'name' and 'parameters'")
    parameters = written.get("parameters") or {}
    if not isinstance(parameters, dict) or not all(isinstance(key, str) for key in parameters):
        raise DefinitionError("plugin: 'parameters' must be a mapping")
    return make_plugin(written["name"], parameters)
