"""Files of pollsters: a list of definitions each, in the order of their names.

The first definition of a name wins; the stock files come last, so that an operator's file replaces
a stock pollster without a word. A bad definition is a fault and left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pollers.operator_files import first_of_each, read_operators_yaml
from pollers.pollsters.definition import Pollster
from pollers.pollsters.reading import read_pollster
from telemetry_site.yamlfile import DefinitionError, Fault, Sequence

STOCK = Path(__file__).parent.parent / "definitions" / "pollsters"


def load_pollsters(
    paths: Iterable[Path], stock: bool = True
) -> tuple[dict[str, Pollster], list[Fault]]:
    """({name: pollster}, faults) of files and directories, and of ours where `stock`."""
    return first_of_each(paths, STOCK if stock else None, read_pollsters)


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
