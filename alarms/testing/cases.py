"""Files of tests of alarms: read into cases, each fault with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from alarms.choices import State
from alarms.errors import DefinitionError
from alarms.evaluator.walking import Plan, plan_of
from alarms.files import FileError, Written, read_entry, read_file
from alarms.testing.notation import NotationError, seconds_of, values_of
from alarms.testing.series import Input
from meters.api.params import moment
from telemetry_site.yamlfile import Fault, Mapping, Sequence, read_yaml

#: When tests begin unless they say; a Thursday.
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_FILE = ("alarm_files", "tests")
_TEST = ("name", "alarm", "begin", "state", "input", "expect")
_INPUT = ("metric", "values", "interval", "start", "resource_id", "resource_type", "id", "type",
          "metadata")  # fmt: skip
_EXPECT = ("at", "state", "reason", "phase", "fired")


class Expected(NamedTuple):
    """At `at_s` seconds from the test's begin; `wanted` are texts by field, `fired` a number."""

    at_s: int
    wanted: dict[str, Any]
    line: int


class Case(NamedTuple):
    name: str
    plan: Plan
    begin: datetime
    state: str
    inputs: list[Input]
    expected: list[Expected]
    line: int


def read_cases(path: Path) -> list[Case]:
    """Raises `FileError` with every fault of the file."""
    content, faults = read_yaml(path)
    if faults:
        raise FileError(faults)
    return _Reader(path).read(content)


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[Fault] = []
        self.known: dict[str, list[Written]] = {}

    def read(self, content: Any) -> list[Case]:
        if not isinstance(content, Mapping) or not isinstance(content.get("tests"), Sequence):
            raise FileError([Fault(str(self.path), 1, "must be a mapping with a list named tests")])
        self._check_names(content, _FILE)
        for name in self._items(content, "alarm_files"):
            self._read_alarms(content, name)
        cases = [self._case(one) for one in self._mappings(content, "tests")]
        if self.faults:
            raise FileError(self.faults)
        return [one for one in cases if one is not None]

    def _read_alarms(self, content: Mapping, name: Any) -> None:
        if not isinstance(name, str):
            self._fault(content.line_of("alarm_files"), "alarm_files: must be a list of paths")
            return
        try:
            for one in read_file(self.path.parent / name):
                self.known.setdefault(one.name, []).append(one)
        except FileError as error:
            self.faults += error.faults

    def _case(self, entry: Mapping) -> Case | None:
        self._check_names(entry, _TEST)
        plan = self._plan(entry)
        inputs = [self._input(one) for one in self._mappings(entry, "input")]
        expected = [self._expected(one) for one in self._mappings(entry, "expect")]
        begin = self._read(entry, "begin", _moment, BEGIN)
        state = self._read(entry, "state", _state, State.INSUFFICIENT_DATA.value)
        if not expected and not self.faults:
            self._fault(entry.line, "expect: nothing is expected")
        if plan is None or self.faults:
            return None
        name = str(entry.get("name") or f"test in line {entry.line}")
        return Case(name, plan, begin, state, inputs, expected, entry.line)

    def _plan(self, entry: Mapping) -> Plan | None:
        """Of a definition, or of the name of one in the files."""
        given = entry.get("alarm")
        line = entry.line_of("alarm")
        if isinstance(given, str):
            found = self.known.get(given, [])
            if len(found) != 1:
                words = f"{len(found)} alarms are named" if found else "no alarm is named"
                self._fault(line, f"alarm: {words} {given!r} in alarm_files")
                return None
            return self._try(line, lambda: plan_of(found[0].definition))
        if not isinstance(given, Mapping):
            self._fault(line, "alarm: must be a definition, or the name of one in alarm_files")
            return None
        whole = Mapping()
        whole.line, whole.lines = given.line, given.lines
        whole.update({"name": "alarm under test"} | given)
        try:
            return plan_of(read_entry(whole, str(self.path)).definition)
        except DefinitionError as error:
            written = Written(None, "", {}, str(self.path), whole)
            self.faults.append(written.fault(error))
            return None

    def _try(self, line: int, make: Callable[[], Plan]) -> Plan | None:
        try:
            return make()
        except DefinitionError as error:
            self._fault(line, f"alarm: {error}")
            return None

    def _input(self, entry: Mapping) -> Input:
        self._check_names(entry, _INPUT)
        for name in ("metric", "values"):
            if name not in entry:
                self._fault(entry.line, f"{name}: is required")
        usual = Input("", ())
        return Input(
            self._read(entry, "metric", _text, ""),
            self._read(entry, "values", values_of, []),
            self._read(entry, "interval", _positive, usual.interval_s),
            self._read(entry, "start", seconds_of, usual.start_s),
            self._read(entry, "resource_id", _text, usual.resource_id),
            self._read(entry, "resource_type", _text, usual.resource_type),
            self._read(entry, "id", _text, usual.id),
            self._read(entry, "type", _is_counter, usual.is_counter),
            self._read(entry, "metadata", _object, {}),
        )

    def _expected(self, entry: Mapping) -> Expected:
        self._check_names(entry, _EXPECT)
        if "at" not in entry:
            self._fault(entry.line, "at: is required")
        wanted = {name: entry[name] for name in _EXPECT if name != "at" and name in entry}
        if not wanted:
            self._fault(entry.line, "says nothing that could be compared")
        for name, check in (("state", _state), ("reason", _text), ("phase", _text)):
            self._read(entry, name, check, "")
        self._read(entry, "fired", _count, 0)
        return Expected(self._read(entry, "at", seconds_of, 0), wanted, entry.line)

    def _read(self, entry: Mapping, name: str, read: Callable[[Any], Any], usual: Any) -> Any:
        if name not in entry:
            return usual
        try:
            return read(entry[name])
        except (NotationError, ValueError) as error:
            self._fault(entry.line_of(name), f"{name}: {error}")
            return usual

    def _items(self, entry: Mapping, name: str) -> list[Any]:
        found = entry.get(name, [])
        if isinstance(found, Sequence | list):
            return list(found)
        self._fault(entry.line_of(name), f"{name}: must be a list")
        return []

    def _mappings(self, entry: Mapping, name: str) -> Iterator[Mapping]:
        for one in self._items(entry, name):
            if isinstance(one, Mapping):
                yield one
            else:
                self._fault(entry.line_of(name), f"{name}: must be a list of mappings")

    def _check_names(self, entry: Mapping, known: tuple[str, ...]) -> None:
        for name in entry:
            if name not in known:
                self._fault(entry.line_of(name), f"{name}: is none of {', '.join(known)}")

    def _fault(self, line: int, text: str) -> None:
        self.faults.append(Fault(str(self.path), line, text))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotationError("must be a text")
    return value


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return moment(_text(value))


def _state(value: Any) -> str:
    if value not in State.values:
        raise NotationError(f"must be one of {', '.join(State.values)}")
    return str(value)


def _positive(value: Any) -> int:
    seconds = seconds_of(value)
    if not seconds:
        raise NotationError("must be more than 0")
    return seconds


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise NotationError("must be a whole number")
    return value


def _is_counter(value: Any) -> bool:
    if value not in ("gauge", "cumulative"):
        raise NotationError("must be gauge or cumulative")
    return bool(value == "cumulative")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotationError("must be a mapping")
    return value
