"""Alarms in YAML files: read with the line of every fault, and written.

A file is a mapping with `alarms`, a list of definitions in the native API's own shape with a
`project` each (none: the installation's), or with one `project` for the whole file beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from alarms import lifecycle
from alarms.errors import DefinitionError
from alarms.models import Alarm
from telemetry_site.yamlfile import Fault, Mapping, Sequence, read_yaml

SUFFIXES = (".yaml", ".yml")
_KNOWN = ("project", "alarms")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class FileError(Exception):
    """Files that can't be used; the text has a line a fault."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(map(str, self.faults)))


class Written(NamedTuple):
    """An alarm as a file has it; `definition` is checked and whole."""

    project_id: str | None
    name: str
    definition: dict[str, Any]
    file: str
    entry: Mapping

    @property
    def key(self) -> tuple[str | None, str]:
        return self.project_id, self.name

    def fault(self, error: DefinitionError) -> Fault:
        """At the line of the field."""
        return Fault(self.file, _line(self.entry, error.field), str(error))


def read_folder(folder: Path) -> list[Written]:
    """All alarms of a folder's files, in the order of their names. Raises `FileError`."""
    if not folder.is_dir():
        raise FileError([Fault(str(folder), 0, "is no folder")])
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    found: list[Written] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            found += read_file(path)
        except FileError as error:
            faults += error.faults
    faults += _twice(found)
    if faults:
        raise FileError(faults)
    return found


def read_file(path: Path) -> list[Written]:
    """The alarms of one file, in its order. Raises `FileError`."""
    content, faults = read_yaml(path)
    if faults:
        raise FileError(faults)
    if not isinstance(content, Mapping) or not isinstance(content.get("alarms"), Sequence):
        raise FileError([Fault(str(path), 1, "must be a mapping with a list named alarms")])
    faults = [
        Fault(str(path), content.line_of(name), f"{name}: is no field of a file of alarms")
        for name in content
        if name not in _KNOWN
    ]
    found = []
    alarms = content["alarms"]
    for entry, line in zip(alarms, alarms.lines, strict=True):
        if not isinstance(entry, Mapping):
            faults.append(Fault(str(path), line, "an alarm must be a mapping"))
            continue
        try:
            found.append(read_entry(entry, str(path), content.get("project")))
        except DefinitionError as error:
            faults.append(Fault(str(path), _line(entry, error.field), str(error)))
    if faults:
        raise FileError(faults)
    return found


def read_entry(entry: Mapping, file: str, project: Any = None) -> Written:
    """Raises `DefinitionError`."""
    fields = {str(name): _plain(value) for name, value in entry.items()}
    project = fields.pop("project", project)
    if project is not None:
        project = lifecycle.check_name("project", project)
    definition = lifecycle.check(fields)
    return Written(project, definition["name"], definition, file, entry)


def document(definition: dict[str, Any], project_id: str | None) -> dict[str, Any]:
    """An alarm as it stands in a file: what is as usual is left out."""
    usual = {name: getattr(Alarm(), name) for name in lifecycle.FIELDS if name != "rule"}
    written = {"name": definition["name"]}
    if project_id is not None:
        written["project"] = project_id
    for name in lifecycle.FIELDS:
        if name != "name" and definition[name] != usual.get(name):
            written[name] = _ordered(definition[name])
    return written


def dumped(documents: list[dict[str, Any]]) -> str:
    """The text of a file with these alarms."""
    text: str = yaml.safe_dump(
        {"alarms": documents}, sort_keys=False, allow_unicode=True, width=100
    )
    return text


def _twice(found: Iterable[Written]) -> Iterator[Fault]:
    first: dict[tuple[str | None, str], Written] = {}
    for one in found:
        known = first.setdefault(one.key, one)
        if known is not one:
            where = f"{known.file}:{known.entry.line_of('name')}"
            text = f"name: {one.name!r} stands in this project already, at {where}"
            yield Fault(one.file, one.entry.line_of("name"), text)


def _ordered(value: Any) -> Any:
    """Keys by the alphabet: JSON in the database keeps no order, and a diff wants one."""
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(one) for one in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Without lines: the database's JSON and comparisons want ordinary mappings and lists."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _line(entry: Mapping, field: str) -> int:
    """Of ``rule.and[1].threshold``, or as near as the file has it."""
    line, here = entry.line, entry
    for name, number in _STEP.findall(field):
        if number and isinstance(here, Sequence) and int(number) < len(here):
            line, here = here.lines[int(number)], here[int(number)]
        elif name and isinstance(here, Mapping) and name in here:
            line, here = here.line_of(name), here[name]
        else:
            break
    return line
