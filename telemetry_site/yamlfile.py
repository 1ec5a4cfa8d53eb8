"""YAML files that remember on which line each thing stands, so that a fault can be named.

Read with libyaml's safe loader: plain data only, no objects of any kind.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from telemetry_site.texts import visible

#: What loading a text that is no YAML may raise: the constructors of tagged values raise what their
#: conversions do (``!!bool x``, ``!!timestamp x``, a date 2026-13-45).
UNREADABLE = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError)

#: Of one file, as often as aliases bring them.
MOST_PARTS = 1_000_000
#: Of a whole number.
MOST_BITS = 4096


class Fault(NamedTuple):
    """One mistake in a definition file. `line` counts from 1; 0 where no line can be named.

    A note is none: what the file says is done in another way, or is not for us.
    """

    file: str
    line: int
    text: str
    is_note: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return visible(f"{place}: {'note: ' * self.is_note}{self.text}", keep="")


class DefinitionError(ValueError):
    """A definition that cannot be used. `line` is that of the part that is wrong, if known."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


class Mapping(dict[Any, Any]):
    """A mapping with the line of its start and of each key."""

    def __init__(self) -> None:
        super().__init__()
        self.line = 0
        self.lines: dict[Any, int] = {}
        self.twice: list[Any] = []

    def line_of(self, key: Any) -> int:
        return self.lines.get(key, self.line)


class Sequence(list[Any]):
    """A list with the line of its start and of each item."""

    def __init__(self) -> None:
        super().__init__()
        self.line = 0
        self.lines: list[int] = []


class _Loader(yaml.CSafeLoader):
    """Safe loader that makes `Mapping` and `Sequence`; anchors and merges work as usual."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            # Most conversions tell of their insides: 'NoneType' object has no attribute …
            kind = node.tag.rpartition(":")[2]
            said = str(error) if isinstance(error, ValueError) else f"no value of the kind {kind}"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from error


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Any:
    made = Mapping()
    made.line = node.start_mark.line + 1
    yield made
    own_nodes = {id(key) for key, _ in node.value}
    own: set[Any] = set()
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be text or a number", key_node.start_mark
            )
        if id(key_node) in own_nodes:
            # A key of the mapping itself may replace a merged one, but not stand twice.
            made.twice.extend({key} & own)
            own.add(key)
        made[key] = loader.construct_object(value_node, deep=True)
        made.lines[key] = key_node.start_mark.line + 1


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> Any:
    made = Sequence()
    made.line = node.start_mark.line + 1
    made.lines = [item.start_mark.line + 1 for item in node.value]
    yield made
    made.extend(loader.construct_sequence(node, deep=True))


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    """Python does not print numbers of thousands of digits, which a fault would have to name."""
    number: int = loader.construct_yaml_int(node)
    if number.bit_length() > MOST_BITS:
        raise yaml.constructor.ConstructorError(
            None, None, f"a number of more than {MOST_BITS} bits", node.start_mark
        )
    return number


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:seq", _sequence)


def unknown_keys(file: Path, written: Mapping, known: Collection[str], where: str) -> list[Fault]:
    """A fault for each key that means nothing there."""
    return [
        Fault(str(file), written.line_of(key), f"{where}: there is no key {key!r}")
        for key in written
        if key not in known
    ]


def text_of(written: Mapping, key: str, default: str) -> str:
    """A number counts as its digits, nothing as the default. Raises `DefinitionError`."""
    value = written.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DefinitionError(f"{key} must be text", written.line_of(key))
    return str(value)


def _loaded(text: str) -> Any:
    """Raises `DefinitionError` for a text that says more than it is long, else as the loader."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_growth(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_growth(root: yaml.Node) -> None:
    """A few aliases of aliases make a thousand million parts, one inside itself has no end."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()
    waiting: list[tuple[yaml.Node, bool]] = [(root, False)]
    while waiting:
        node, is_done = waiting.pop()
        if id(node) in sizes:
            continue
        inner = _inner(node)
        if is_done:
            open_.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(one)] for one in inner)
            if sizes[id(node)] > MOST_PARTS:
                line = node.start_mark.line + 1
                raise DefinitionError(f"more than {MOST_PARTS} parts, with its aliases", line)
            continue
        if id(node) in open_:
            raise DefinitionError("an alias inside of what it stands for", node.start_mark.line + 1)
        open_.add(id(node))
        waiting.append((node, True))
        waiting += [(one, False) for one in inner]


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def read_yaml(path: Path) -> tuple[Any, list[Fault]]:
    """(content, faults) of a file; the content is None when it cannot be read at all."""
    try:
        data = path.read_bytes()
        text = data.decode()
    except OSError as error:
        return None, [Fault(str(path), 0, f"cannot be read: {error}")]
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, [Fault(str(path), line, f"cannot be read: {error}")]
    try:
        content = _loaded(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        return None, [Fault(str(path), line, f"is not valid YAML: {error.problem}")]
    except yaml.reader.ReaderError as error:
        line = data.count(b"\n", 0, error.position) + 1
        return None, [Fault(str(path), line, f"is not valid YAML: {error.reason}")]
    except DefinitionError as error:
        return None, [Fault(str(path), error.line, str(error))]
    except UNREADABLE as error:
        return None, [Fault(str(path), 0, f"is not valid YAML: {error}")]
    faults: list[Fault] = []
    _find_twice(content, str(path), faults, set())
    return content, faults


def _find_twice(value: Any, file: str, faults: list[Fault], seen: set[int]) -> None:
    """Name keys that stand twice in one mapping: YAML keeps the later one without a word."""
    if id(value) in seen:
        return
    if isinstance(value, Mapping):
        seen.add(id(value))
        faults.extend(
            Fault(file, value.lines[key], f"key {key!r} stands twice; the later one counts")
            for key in value.twice
        )
        for inner in value.values():
            _find_twice(inner, file, faults, seen)
    elif isinstance(value, Sequence):
        seen.add(id(value))
        for inner in value:
            _find_twice(inner, file, faults, seen)
