"""Which meters are derived of which: our file, and pipeline files of classic clouds."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import pytest

from meters.derived import series
from meters.derived.definitions import STOCK, Definition, Definitions, load
from telemetry_site.expressions import EvaluationError

#: As Newton's packages had it, but for publishers.
CLASSIC = """
sources:
  - {name: cpu_source, meters: [cpu], sinks: [cpu_sink, cpu_delta_sink]}
  - {name: disks, meters: ["disk.*"], sinks: [disk_sink]}
sinks:
  - name: cpu_sink
    transformers:
      - name: rate_of_change
        parameters:
          target:
            name: cpu_util
            unit: "%"
            type: gauge
            max: 100
            scale: "100.0 / (10**9 * (resource_metadata.cpu_number or 1))"
    publishers: ["notifier://"]
  - name: cpu_delta_sink
    transformers:
      - {name: accumulator, parameters: {size: 3}}
      - {name: delta, parameters: {target: {name: cpu.delta}, growth_only: True}}
    publishers: ["notifier://"]
  - name: disk_sink
    transformers:
      - name: rate_of_change
        parameters:
          source: {map_from: {name: 'disk\\.(\\w+)\\.bytes', unit: B}}
          target: {map_to: {name: 'disk.\\1.speed', unit: B/s}, type: gauge}
    publishers: ["notifier://"]
"""


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """`read(text)`: the definitions of a file, and its faults without the directory."""

    def read(text: str) -> tuple[Definitions, list[str]]:
        file = tmp_path / "p.yaml"
        file.write_text(dedent(text).lstrip("\n"))
        found, faults = load([file])
        return found, [str(fault).removeprefix(f"{tmp_path}/") for fault in faults]

    return read


def no_names() -> list[str]:
    raise AssertionError("the names of stored meters are asked for")


def ways(definitions: Definitions, target: str, *stored: str) -> list[str]:
    return [pair.source for pair in definitions.giving({target}, lambda: stored or no_names())]


STOCK_METERS = {
    "cpu_util": ("cpu", "ns", "%", "gauge"),
    "cpu.delta": ("cpu", "ns", "ns", "delta"),
    **{
        f"{disk}.{way}.{what}.rate": (f"{disk}.{way}.{what}", unit, f"{unit}/s", "gauge")
        for disk in ("disk", "disk.device")
        for way in ("read", "write")
        for what, unit in (("bytes", "B"), ("requests", "request"))
    },
    **{
        f"network.{way}.{what}.rate": (f"network.{way}.{what}", unit, f"{unit}/s", "gauge")
        for way in ("incoming", "outgoing")
        for what, unit in (("bytes", "B"), ("packets", "packet"))
    },
}


@pytest.mark.parametrize("target", STOCK_METERS)
def test_our_own_file_has_the_meters_that_classic_clouds_had(target: str) -> None:
    definitions, faults = load([STOCK])
    source, unit, own_unit, own_type = STOCK_METERS[target]
    (pair,) = definitions.giving({target}, no_names)

    assert faults == []
    assert pair.source == source
    assert pair.definition.unit_of(unit) == own_unit
    assert pair.definition.type_of("cumulative") == own_type
    assert target in [one.target for one in definitions.of_source(source, "cumulative")]


def test_our_own_file_has_no_others_and_takes_counters_only() -> None:
    definitions, _ = load([STOCK])
    assert set(definitions.named_targets) == set(STOCK_METERS)
    assert definitions.of_source("cpu", "gauge") == ()
    assert definitions.of_source("memory", "cumulative") == ()
    assert [one.target for one in definitions.of_source("cpu", "cumulative")] == [
        "cpu_util", "cpu.delta",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "scale"),
    [
        ({}, 1e-7), ({"cpu_number": 2}, 5e-8), ({"vcpus": 4}, 2.5e-8),
        ({"cpu_number": "2", "vcpus": 4}, 5e-8), ({"cpu_number": None}, 1e-7),
    ],
)  # fmt: skip
def test_cpu_util_is_of_all_processors(metadata: dict[str, Any], scale: float) -> None:
    (pair,) = load([STOCK])[0].giving({"cpu_util"}, no_names)
    wanted = pair.definition.derivation.conversion.scale

    assert wanted.evaluate({}, lambda path: metadata.get(path[0])) == pytest.approx(scale)
    with pytest.raises(EvaluationError, match="division by zero"):
        wanted.evaluate({}, lambda path: "0")


def test_a_classic_pipeline_is_read_as_it_is(read: Any) -> None:
    definitions, faults = read(CLASSIC)
    assert faults == []
    assert ways(definitions, "cpu_util") == ["cpu"]
    assert ways(definitions, "cpu.delta") == ["cpu"]
    (util, delta, _) = definitions.every
    assert (util.derivation.is_rate, util.derivation.conversion.most) == (True, 100)
    assert (delta.derivation.is_rate, delta.derivation.growth_only) == (False, True)


def test_wildcards_are_looked_up_among_what_is_stored_and_only_for_names_that_fit(
    read: Any,
) -> None:
    definitions, _ = read(CLASSIC)
    stored = ("cpu", "disk.read.bytes", "disk.write.bytes", "disk.read.requests")
    assert ways(definitions, "disk.read.speed", *stored) == ["disk.read.bytes"]
    assert ways(definitions, "disk.other.speed", *stored) == []
    assert ways(definitions, "disk.read.bytes") == []


def test_an_operators_definition_comes_before_ours(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(CLASSIC.replace("max: 100", "max: 90"))
    definitions, _ = load([file, STOCK])
    found = {one.target: one.definition for one in definitions.of_source("cpu", "cumulative")}

    assert found["cpu_util"].derivation.conversion.most == 90
    assert len(definitions.giving({"cpu_util"}, no_names)) == 2


def test_pipelines_from_before_there_were_sinks_are_read(read: Any) -> None:
    definitions, faults = read(
        """
        - name: cpu_pipeline
          interval: 60
          counters: [cpu]
          transformers:
            - {name: rate_of_change, parameters: {target: {name: cpu_util, scale: 1.0e-7}}}
          publishers: ["rpc://"]
        """
    )
    assert faults == []
    assert ways(definitions, "cpu_util") == ["cpu"]


SINK = """
sources:
  - {name: all, meters: [cpu], sinks: [one, good]}
sinks:
  - name: one
    transformers:
      - %s
  - name: good
    transformers: [{name: delta, parameters: {target: {name: cpu.delta}}}]
"""


@pytest.mark.parametrize(
    ("transformer", "said"),
    [
        ("{name: arithmetic, parameters: {target: {name: both, expr: $(a) + $(b)}}}",
         "transformer arithmetic makes no both here: what comes is stored as it is, ask for an "
         "aggregate of several metrics"),
        ("{name: aggregator, parameters: {size: 5}}", "transformer aggregator makes no meter here"),
        ("{name: rate_of_change, parameters: {target: {name: x, scale: volume * 2}}}",
         "neither: its scale names volume, which is not the series' own"),
        ("{name: rate_of_change, parameters: {target: {name: x, scale: __import__(1)}}}",
         "the name __import__ is not allowed"),
        ("{name: rate_of_change, parameters: {target: {unit: x}}}", "it gives its meter no name"),
        ("{name: delta, parameters: {target: {name: x}, growth_only: 2}}", "growth_only 2 is"),
        ("{name: delta, parameters: {source: {map_from: {name: (}}, target: {map_to: {name: x}}}}",
         "map of name:"),
        ("{name: mangle}", "there is no transformer 'mangle'"),
        ("{name: delta, parameters: {target: {name: x}}}\n"
         "      - {name: unit_conversion, parameters: {target: {scale: 2}}}",
         "it must be the only transformer of its sink"),
    ],
)  # fmt: skip
def test_what_can_not_be_derived_is_told_by_line_and_hides_no_other(
    read: Any, transformer: str, said: str
) -> None:
    definitions, faults = read(SINK % transformer)
    assert len(faults) == 1
    assert faults[0].startswith("p.yaml:6: sink 'one': ")
    assert said in faults[0]
    assert ways(definitions, "cpu.delta") == ["cpu"]
    assert len(definitions.every) == 1


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    definitions, faults = load([tmp_path / "none.yaml", STOCK])
    assert "cannot be read" in str(faults[0])
    assert ways(definitions, "cpu_util") == ["cpu"]


@pytest.mark.parametrize("content", ["", "5", "sinks: 5", "sinks: [5]\nsources: {}", "- 5"])
def test_what_is_no_pipeline_derives_nothing(read: Any, content: str) -> None:
    assert read(content)[0].every == ()


def test_codes_stay_when_other_definitions_go(read: Any) -> None:
    whole, _ = read(CLASSIC)
    part, _ = read(CLASSIC.replace("cpu_sink, cpu_delta_sink", "cpu_delta_sink"))
    codes = {one.derivation.conversion.shown_target: one.code for one in whole.every}

    assert len(set(codes.values())) == 3
    assert [one.code for one in part.every] == [codes["cpu.delta"], codes[r"disk.\1.speed"]]


def test_a_number_tells_its_definition_and_source() -> None:
    for code, source in ((1, 1), (0xFFFF, 2**42 - 1)):
        number = series.number_of(code, source)
        assert (series.code_of(number), series.source_of(number)) == (code, source)
        assert number < 2**58  # what the id of a sample has room for
        assert series.number_of_uuid(series.uuid_of(number)) == number
    assert series.code_of(2**42 - 1) == 0
    assert series.source_of(17) == 17
    assert series.number_of_uuid(uuid4()) is None
    assert series.number_of_uuid(series.uuid_of(17)) is None


def test_a_definition_takes_what_its_sources_take() -> None:
    (one, *_) = load([STOCK])[0].every
    assert isinstance(one, Definition)
    assert (one.target_of("cpu"), one.target_of("cpu.idle")) == ("cpu_util", None)
