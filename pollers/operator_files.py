"""Files that say what an agent asks and runs: the operator's, and nobody else's (S37)."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from telemetry_site.yamlfile import Fault, read_yaml

ANYBODYS = "anybody may write to this file: chmod o-w"


class Defined(Protocol):
    """What a file defines: `place` is its file and line."""

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> str: ...


Definition = TypeVar("Definition", bound=Defined)
Read = Callable[[Path], tuple[list[Definition], list[Fault]]]


def read_operators_yaml(path: Path) -> tuple[Any, list[Fault]]:
    """As `read_yaml`; a file that anybody may write to is not read."""
    if is_anybodys(path):
        return None, [Fault(str(path), 0, ANYBODYS)]
    return read_yaml(path)


def is_anybodys(path: Path) -> bool:
    """Whether anybody may write to it. False where it is not there: reading says why."""
    try:
        return bool(path.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return False


def first_of_each(
    paths: Iterable[Path], stock: Path | None, read: Read[Definition]
) -> tuple[dict[str, Definition], list[Fault]]:
    """({name: what is defined}, faults) of files and directories in the order of their names, then
    of ours.

    The first definition of a name wins: the operator's replaces ours without a word, but one that
    stands there already is a fault.
    """
    found: dict[str, Definition] = {}
    faults: list[Fault] = []
    for path in paths:
        _take(path, read, found, faults, replaced=True)
    if stock:
        _take(stock, read, found, faults, replaced=False)
    return found, faults


def _take(
    path: Path, read: Read[Definition], found: dict[str, Definition], faults: list[Fault],
    replaced: bool,
) -> None:  # fmt: skip
    """Add what is new; where `replaced` one that is there already is a fault."""
    for file in _files_of(path, faults):
        defined, wrong = read(file)
        faults += wrong
        for one in defined:
            known = found.setdefault(one.name, one)
            if known is not one and replaced:
                line = int(one.place.rpartition(":")[2])
                text = f"{one.name} stands in {known.place} already, which counts"
                faults.append(Fault(str(file), line, text))


def _files_of(path: Path, faults: list[Fault]) -> list[Path]:
    if path.is_dir():
        return sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    if not path.is_file():
        faults.append(Fault(str(path), 0, "there is no such file or directory"))
        return []
    return [path]
