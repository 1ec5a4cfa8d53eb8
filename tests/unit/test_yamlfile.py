"""YAML files that are none, or more than they seem: a fault with its line, in no time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from telemetry_site import yamlfile
from telemetry_site.yamlfile import read_yaml

#: Nine levels of ten: a thousand million parts in a few hundred bytes.
LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
)


def fault_of(folder: Path, data: bytes) -> str:
    file = folder / "file.yaml"
    file.write_bytes(data)
    content, (fault,) = read_yaml(file)
    assert content is None
    return str(fault).removeprefix(f"{file}")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: 1\nb: \xff\n", ":2: cannot be read: 'utf-8' codec"),
        ("a: 1\nb: é".encode("latin-1"), ":2: cannot be read: 'utf-8' codec"),
        (b"a: 1\nb: \x00\n", ":2: is not valid YAML: control characters are not allowed"),
        (b"a: 1\nb: [\n", ":3: is not valid YAML: "),
        (b"a: 1\n\tb: 2\n", ":2: is not valid YAML: "),
        (b"a: *nobody\n", ":1: is not valid YAML: found undefined alias"),
        (b"a: !!python/object/apply:os.system [x]\n", ":1: is not valid YAML: could not determine"),
        (b"x: 1\na: 2026-13-45\n", ":2: is not valid YAML: month must be in 1..12"),
        (b"a: 1\n---\nb: 2\n", ":2: is not valid YAML: "),
        (b"[a]: 1\n", ":1: is not valid YAML: "),
        (b"&a\n- *a\n", ":1: an alias inside of what it stands for"),
        (b"b: 1\na: &x\n  c: [*x]\n", ":2: an alias inside of what it stands for"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_definitions_has_its_line(
    tmp_path: Path, data: bytes, said: str
) -> None:
    assert fault_of(tmp_path, data).startswith(said)


def test_aliases_of_aliases_are_refused_before_they_grow(tmp_path: Path) -> None:
    began = time.process_time()
    said = fault_of(tmp_path, LAUGHS.encode())
    assert said == ":6: more than 1000000 parts, with its aliases"
    assert time.process_time() - began < 5


def test_merges_of_merges_are_refused_before_they_grow(tmp_path: Path) -> None:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    assert "more than 1000000 parts" in fault_of(tmp_path, "\n".join(lines).encode())


def test_a_file_of_more_parts_than_any_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yamlfile, "MOST_PARTS", 100)
    said = fault_of(tmp_path, b"".join(b"k%d: 1\n" % number for number in range(60)))
    assert said == ":1: more than 100 parts, with its aliases"


def test_anchors_and_merges_work_as_usual(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n")
    content, faults = read_yaml(file)
    assert not faults
    assert content["b"] == {"x": 1, "y": 3}
    assert content["c"] == [{"x": 1, "y": 2}] * 2


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    for text in ("", "# nothing\n", "---\n"):
        (tmp_path / "file.yaml").write_text(text)
        assert read_yaml(tmp_path / "file.yaml") == (None, [])


def test_a_mark_of_byte_order_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(tmp_path / "file.yaml") == ({"a": 1}, [])
