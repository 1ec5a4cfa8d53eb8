"""Pipeline files: what is taken, in which form, and what is said of slips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from meters import wire
from pollers.notification.packing import Packing
from pollers.notification.pipelines import Pipelines, Route, Sink, load_pipelines
from pollers.notification.samples import Outcome, Sample
from telemetry_site.selection import Selection
from tests.support.notifications import (
    convert,
    image,
    instance,
    packed,
    raw_batch,
    stock_converter,
    volume,
)

EVERYTHING = """
sources:
  - {name: all, meters: ["*"], sinks: [store]}
sinks:
  - {name: store, publishers: ["gnocchi://"]}
"""
#: Of a cloud of 2016, with its usual slips.
CLASSIC = """
- name: cpu_pipeline
  interval: 600
  counters:
    - cpu
  transformers:
    - name: rate_of_change
      parameters:
        target: {name: cpu_util, unit: "%", type: gauge, scale: "100.0 / (10**9)"}
  publishers:
    - rpc://
"""


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """`load(text, what)`: what the file gives, and its faults without the directory."""

    def load(text: str, what: str = "meters") -> tuple[Pipelines | None, list[str]]:
        file = tmp_path / "p.yaml"
        file.write_text(dedent(text).lstrip("\n"))
        made, faults = load_pipelines(file, what)
        return made, [str(fault).removeprefix(f"{tmp_path}/") for fault in faults]

    return load


def sample(meter: str, volume: float = 1.0, unit: str = "B", **metadata: Any) -> Sample:
    return Sample(meter, "gauge", unit, volume, 0, wire.Resource("r1", metadata=metadata))


def through(pipelines: Pipelines | None, *samples: Sample) -> Outcome:
    outcome = Outcome(samples=list(samples))
    assert pipelines is not None
    pipelines.pass_through(outcome)
    return outcome


def test_the_stock_file_takes_everything_as_it_is(load: Any) -> None:
    pipelines, faults = load(EVERYTHING)

    assert faults == []
    assert through(pipelines, sample("a"), sample("b")).samples == [sample("a"), sample("b")]


@pytest.mark.parametrize(
    ("meters", "taken"),
    [
        ("['*']", {"cpu", "disk.read", "memory"}),
        ("[cpu, 'disk.*']", {"cpu", "disk.read"}),
        ("['!disk.*']", {"cpu", "memory"}),
        ("['*', '!cpu']", {"disk.read", "memory"}),
        ("[mem*, cp?]", {"cpu", "memory"}),
    ],
)
def test_sources_select_by_names_wildcards_and_exclusions(
    load: Any, meters: str, taken: set[str]
) -> None:
    pipelines, _ = load(EVERYTHING.replace('["*"]', meters))
    left = through(pipelines, sample("cpu"), sample("disk.read"), sample("memory")).samples

    assert {one.meter for one in left} == taken


def test_what_several_sinks_leave_the_same_is_kept_once(load: Any) -> None:
    pipelines, _ = load("""
        sources:
          - {name: a, meters: ["*"], sinks: [one, two, scaled]}
          - {name: b, meters: [cpu], sinks: [two, scaled]}
        sinks:
          - {name: one, publishers: ["gnocchi://"]}
          - {name: two, publishers: ["gnocchi://"]}
          - name: scaled
            publishers: ["gnocchi://"]
            transformers:
              - {name: unit_conversion, parameters: {target: {name: kcpu, scale: 0.001}}}
        """)

    assert through(pipelines, sample("cpu", 5)).samples == [
        sample("cpu", 5),
        sample("kcpu", 0.005),
    ]


def test_pipelines_select_what_notifications_give() -> None:
    sizes = Pipelines([Route(Selection(["disk.*.size"]), (Sink(),))])
    volumes = Pipelines([Route(Selection(["volume.*"], "events"), (Sink(),))])
    by = replace(stock_converter(), meter_pipelines=sizes, event_pipelines=volumes)
    result = convert(instance(), volume(), image(), by=by)

    assert set(result.samples) == {"disk.root.size", "disk.ephemeral.size"}
    assert [event.event_type for event in result.events] == ["volume.create.end"]


# --- slips -------------------------------------------------------------------------------------


def test_slips_are_named_with_their_places_and_the_rest_counts(load: Any) -> None:
    pipelines, faults = load("""
        sources:
          - name: meter_source
            meters: ["*"]
            events: ["*"]
            channels: [x]
            interval: 60
            sinks: [meter_sink]
          - {name: again, meters: ["*"], sinks: [other_sink]}
        sinks:
          - {name: meter_sink, publishers: [gnocchi], transformers: }
          - {name: other_sink, transformers: [], publishers: ["gnocchi://"]}
          - name: third
            publishers: ["test://", "direct://", "gnochi://", "gnocchi://?archive_policy=low"]
        """)

    assert faults == [
        "p.yaml:10: sink 'meter_sink': publisher 'gnocchi' is taken as gnocchi://",
        "p.yaml:13: sink 'third': publisher test:// is not there; what it would get is stored here",
        "p.yaml:13: sink 'third': publisher direct:// is gone, gnocchi:// stands for it",
        "p.yaml:13: sink 'third': there is no publisher 'gnochi'; what it would get is stored here",
        "p.yaml:13: sink 'third': publisher gnocchi://: archive_policy without effect: the store "
        "is ours",
        "p.yaml:5: source 'meter_source': there is no key 'channels'",
        "p.yaml:4: source 'meter_source': 'events' has no effect in a pipeline of meters",
        "p.yaml:6: source 'meter_source': 'interval' has no effect here, polling.yaml says what is "
        "polled",
    ]  # fmt: skip
    assert through(pipelines, sample("cpu", 5)).samples == [sample("cpu", 5)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}", "p.yaml:1: Both sources & sinks are required"),
        ("a: b: c", "p.yaml:1: is not valid YAML"),
        (EVERYTHING.replace("sinks: [store]", "sinks: [shop]"),
         "p.yaml:2: Dangling sink shop from source all"),
        (EVERYTHING.replace("sinks: [store]", "sinks: []"),
         "p.yaml:2: No sink defined in source all"),
        (EVERYTHING.replace("name: all, ", ""), "p.yaml:2: Required field name not specified"),
        (EVERYTHING.replace('meters: ["*"], ', ""), "p.yaml:2: source 'all': Missing meters value"),
        (EVERYTHING.replace('"*"', ""), "p.yaml:2: source 'all': No meters specified"),
        (EVERYTHING.replace('"*"', 'cpu, "!x"'),
         "p.yaml:2: source 'all': Both included and excluded meters specified"),
        (EVERYTHING.replace('"*"', 'cpu, "*"'),
         "p.yaml:2: source 'all': Included meters specified with wildcard"),
        (EVERYTHING.replace('publishers: ["gnocchi://"]', "publishers: []"),
         "p.yaml:4: sink 'store': No publisher specified"),
        (EVERYTHING + '  - {name: store, publishers: ["gnocchi://"]}',
         "p.yaml:5: Duplicated sink names: store"),
        (EVERYTHING.replace("}\n", ", transformers: [{name: mangle}]}\n"),
         "p.yaml:4: sink 'store': there is no transformer 'mangle'"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_not_used_and_everything_is_kept(
    load: Any, text: str, fault: str
) -> None:
    pipelines, faults = load(text)

    assert pipelines is None
    assert any(one.startswith(fault) for one in faults), faults
    assert faults[-1] == "p.yaml: the file is not used, so all meters are kept"


def test_a_file_of_old_is_a_list_of_pipelines(load: Any) -> None:
    pipelines, faults = load(CLASSIC)

    assert through(pipelines, sample("cpu"), sample("memory")).samples == [sample("cpu")]
    assert faults == [
        "p.yaml:10: sink 'cpu_pipeline': publisher rpc:// is gone, notifier:// stands for it",
        "p.yaml:6: note: sink 'cpu_pipeline': transformer rate_of_change is made where samples are "
        "read, as cpu_util: what comes is stored as it is; the metric API has rate:mean instead",
        "p.yaml:2: source 'cpu_pipeline': 'interval' has no effect here, polling.yaml says what is "
        "polled",
    ]  # fmt: skip


# --- transformers ------------------------------------------------------------------------------


def converting(load: Any, parameters: str) -> tuple[Pipelines | None, list[str]]:
    found: tuple[Pipelines | None, list[str]] = load(
        EVERYTHING.rstrip("}\n")
        + f", transformers: [{{name: unit_conversion, parameters: {parameters}}}]}}\n"
    )
    return found


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("{target: {scale: 2}}", sample("disk.read", 8.0)),
        ("{target: {unit: KiB, scale: '1 / 1024.0'}}", sample("disk.read", 1 / 1024, "KiB")),
        ("{target: {scale: 'volume * 1.5', max: 5}}", sample("disk.read", 5.0)),
        ("{source: {unit: MB}, target: {scale: 2}}", sample("disk.read", 4.0)),
        ("{source: {unit: B}, target: {name: x, scale: 2}}", sample("x", 8.0)),
        ("{source: {map_from: {name: 'disk\\.(read)', unit: B}},"
         " target: {map_to: {name: 'io.\\1', unit: byte}}}", sample("io.read", 4.0, "byte")),
    ],
)  # fmt: skip
def test_a_unit_conversion_scales_renames_and_caps(
    load: Any, parameters: str, expected: Sample
) -> None:
    pipelines, faults = converting(load, parameters)

    assert faults == []
    assert through(pipelines, sample("disk.read", 4.0)).samples == [expected]


def test_a_scale_may_ask_for_metadata(load: Any) -> None:
    scale = "100.0 / (10**9 * (resource_metadata.flavor.vcpus or 1))"
    pipelines, _ = converting(load, f"{{target: {{scale: '{scale}'}}}}")
    made = through(pipelines, sample("a", flavor={"vcpus": 2}), sample("b", flavor="none")).samples

    assert [one.volume for one in made] == [5e-8, 1e-7]


def test_a_scale_without_value_rejects_the_sample_by_its_name(load: Any) -> None:
    pipelines, _ = converting(load, "{target: {scale: '1 / resource_metadata.zero'}}")
    outcome = through(pipelines, sample("a", zero=0), sample("b", zero=2))

    assert [one.meter for one in outcome.samples] == ["b"]
    assert "a: '1 / metadata_0': division by zero" in str(outcome.failures[0])


@pytest.mark.parametrize(
    "parameters",
    [
        "{target: {scale: '__import__(1)'}}", "{target: {scale: [1]}}", "{target: {max: high}}",
        "{target: {type: absolute}}",
        "{source: {map_from: {name: '('}}, target: {map_to: {name: x}}}",
        "{source: {map_from: {name: 'a'}}, target: {map_to: {name: '\\9'}}}", "{target: 5}",
    ],
)  # fmt: skip
def test_a_conversion_that_is_none_is_refused_with_its_sink(load: Any, parameters: str) -> None:
    pipelines, faults = converting(load, parameters)

    assert pipelines is None
    assert faults[0].startswith("p.yaml:4: sink 'store': ")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "rate_of_change",
            "is made where samples are read, as made: what comes is stored",
        ),
        ("delta", "is made where samples are read, as made: what comes is stored"),
        ("aggregator", "makes no made here: what comes is stored as it is, ask for an aggregation"),
        (
            "arithmetic",
            "makes no made here: what comes is stored as it is, ask for an aggregate",
        ),
    ],
)
def test_a_transformer_of_several_samples_says_where_it_is_made(
    load: Any, name: str, said: str
) -> None:
    pipelines, faults = load(
        EVERYTHING.rstrip("}\n")
        + f", transformers: [{{name: {name}, parameters: {{target: {{name: made}}}}}}]}}\n"
    )

    assert through(pipelines, sample("cpu", 5)).samples == [sample("cpu", 5)]
    assert len(faults) == 1
    note = "note: " if name in ("rate_of_change", "delta") else ""
    assert faults[0].startswith(f"p.yaml:4: {note}sink 'store': transformer {name} {said}")


def test_a_chain_with_such_a_transformer_changes_nothing_of_what_is_stored(load: Any) -> None:
    pipelines, faults = load(
        EVERYTHING.rstrip("}\n")
        + ", transformers: [{name: delta, parameters: {target: {name: made}}},"
        " {name: unit_conversion, parameters: {target: {scale: 9}}}]}\n"
    )

    assert through(pipelines, sample("cpu", 5)).samples == [sample("cpu", 5)]
    assert faults == [
        "p.yaml:4: sink 'store': transformer delta makes no made here: what comes is stored as it "
        "is, and on reading neither: it must be the only transformer of its sink"
    ]


def test_an_accumulator_changes_nothing_of_what_is_kept(load: Any) -> None:
    pipelines, faults = load(
        EVERYTHING.rstrip("}\n") + ", transformers: [{name: accumulator, parameters: {size: 9}}]}\n"
    )

    assert faults == []
    assert through(pipelines, sample("cpu", 5)).samples == [sample("cpu", 5)]


# --- publishers --------------------------------------------------------------------------------

PUBLISHED = """
sources:
  - {name: all, meters: ["*"], sinks: [store]}
  - {name: disks, meters: ["disk.*"], sinks: [far, wide]}
  - {name: lan, meters: ["net.*"], sinks: [near]}
sinks:
  - {name: store, publishers: ["gnocchi://"]}
  - {name: far, publishers: ["udp://10.0.0.1", "file:///tmp/x"]}
  - name: wide
    publishers: ["udp://10.0.0.1"]
    transformers:
      - {name: unit_conversion, parameters: {target: {name: kdisk, scale: 0.001}}}
  - {name: near, publishers: ["udp://10.0.0.2?"]}
"""


def test_each_target_gets_what_the_sinks_that_name_it_make(load: Any) -> None:
    pipelines, faults = load(PUBLISHED)
    outcome = through(pipelines, sample("disk.a", 5), sample("cpu"))
    far, file, _ = (one.name for one in pipelines.targets)

    assert faults == []
    assert outcome.samples == [sample("disk.a", 5), sample("cpu")]
    assert outcome.published == {
        far: [sample("disk.a", 5), sample("kdisk", 0.005)],
        file: [sample("disk.a", 5)],
    }


def test_what_only_targets_get_is_not_stored(load: Any) -> None:
    pipelines, _ = load(PUBLISHED.replace('["*"]', '["!net.*", "!snmp.*"]'))
    outcome = through(pipelines, sample("net.in"), sample("snmp.x"))

    assert outcome.samples == []
    assert outcome.published == {pipelines.targets[-1].name: [sample("net.in")]}


def test_who_gets_everything_is_not_handed_what_is_stored(load: Any, settings: Any) -> None:
    settings.TELEMETRY_PUBLISHERS = ["near=udp://10.0.0.2?"]
    pipelines, _ = load(PUBLISHED)

    assert through(pipelines, sample("net.in")).published == {}
    pipelines, _ = load(PUBLISHED.replace('["*"]', '["!net.*"]'))
    assert through(pipelines, sample("net.in")).published == {"near": [sample("net.in")]}


def test_events_go_to_their_targets_too(load: Any) -> None:
    text = """
        sources:
          - {name: all, events: ["*"], sinks: [store]}
          - {name: v, events: ["volume.*"], sinks: [both]}
          - {name: i, events: ["compute.*"], sinks: [far]}
        sinks:
          - {name: store, publishers: ["gnocchi://"]}
          - {name: both, publishers: ["gnocchi://", "file:///tmp/both"]}
          - {name: far, publishers: ["file:///tmp/far"]}
        """
    pipelines, faults = load(text, "events")
    assert faults == []
    both, far = (one.name for one in pipelines.targets)
    by = replace(stock_converter(), event_pipelines=pipelines)
    raw = raw_batch(packed(instance()), packed(volume()))
    made = by.convert(raw)

    assert {name: [event.event_type for one in batches for event in one.events.events]
            for name, batches in made.published.items()} == {
        both: ["volume.create.end"], far: ["compute.instance.create.end"],
    }  # fmt: skip
    ids = [one.batch_id for batches in by.convert(raw).published.values() for one in batches]
    assert ids == [one.batch_id for batches in made.published.values() for one in batches]
    assert made.batch.batch_id not in ids


def test_a_target_that_cannot_be_used_means_the_store(load: Any) -> None:
    pipelines, faults = load("""
        sources:
          - {name: all, meters: ["*"], sinks: [one]}
        sinks:
          - name: one
            publishers:
              - notifier://
              - kafka:///
              - file://elsewhere/x
              - http://user:hidden@h/?timeout=x
              - udp://h:99999
              - http://h/?max_retries=2
        """)

    assert faults == [
        "p.yaml:6: sink 'one': publisher notifier:// without a host leads to the collector: what "
        "it would get is stored here",
        "p.yaml:7: sink 'one': publisher kafka://: the host is missing; what it would get is "
        "stored here",
        "p.yaml:8: sink 'one': publisher file://: must be file:///path, on this machine; what it "
        "would get is stored here",
        "p.yaml:9: sink 'one': publisher http://: timeout='x' is no number from 0.1 to 60; what it "
        "would get is stored here",
        "p.yaml:10: sink 'one': publisher udp://: the host has no port from 1 to 65535 (in "
        "a password, write / ? # @ as %2F %3F %23 %40); what it would get is stored here",
        "p.yaml:11: sink 'one': publisher http://: max_retries has no effect",
    ]  # fmt: skip
    assert through(pipelines, sample("cpu")).samples == [sample("cpu")]
    assert len(pipelines.targets) == 1


def test_what_breaks_the_format_is_told_once_wherever_it_was_to_go() -> None:
    bad = sample("m", float("nan"))
    message = packed(image())
    for samples in ([], [bad]):
        packing = Packing(raw_batch(message))
        packing.take(message, Outcome(samples=samples, published={"near": [bad], "far": [bad]}))
        [told] = packing.batch().rejects
        assert (told.reason, told.body) == ("not_finite", message.body)
        assert packing.published() == {"near": [], "far": []}
