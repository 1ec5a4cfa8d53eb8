"""Files of pollsters: a list of definitions each, in the order of their names.

The first definition of a name wins; the stock files come last, so that an operator's file replaces
a stock pollster without a word. A bad definition is a fault and left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pollers.operator_files import read_operators_yaml
from pollers.pollsters.definition import Pollster
from pollers.pollsters.reading import read_pollster
from telemetry_site.yamlfile import DefinitionError, Fault, Sequence

STOCK = Path(__file__).parent.parent / "definitions" / "pollsters"


def load_pollsters(
    paths: Iterable[Path], stock: bool = True
) -> tuple[dict[str, Pollster], list[Fault]]:
    """({name: pollster}, faults) of files and directories, and of ours where `stock`."""
    found: dict[str, Pollster] = {}
    faults: list[Fault] = []
    for path in paths:
        _take(path, found, faults, replaced=True)
    if stock:
        _take(STOCK, found, faults, replaced=False)
    return found, faults


def _take(path: Path, found: dict[str, Pollster], faults: list[Fault], replaced: bool) -> None:
    """Add what is new; where `replaced` one that is there already is a fault."""
    for file in files_of(path, faults):
        pollsters, wrong = read_pollsters(file)
        faults += wrong
        for pollster in pollsters:
            known = found.setdefault(pollster.name, pollster)
            if known is not pollster and replaced:
                line = int(pollster.place.rpartition(":")[2])
                text = f"{pollster.name} stands in {known.place} already, which counts"
                faults.append(Fault(str(file), line, text))


def files_of(path: Path, faults: list[Fault]) -> list[Path]:
    if path.is_dir():
        return sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    if not path.is_file():
        faults.append(Fault(str(path), 0, "there is no such file or directory"))
        return []
    return [path]


def read_pollsters(file: Path) -> tuple[list[Pollster], list[Fault]]:
    """The pollsters of one file that are right, and what is wrong with the others."""
    content, faults = read_operators_yaml(file)
    if content is None and faults:
        return [], faults
    if not isinstance(content, Sequence):
        return [], [*faults, Fault(str(file), 1, "must be a list of pollsters")]
    made: list[Pollster] = []
    for written, line in zip(content, content.lines, strict=True):
        try:
            made.append(read_pollster(written, str(file)))
        except DefinitionError as error:
            faults.append(Fault(str(file), error.line or line, str(error)))
    return made, faults
