"""Files of meter and event definitions: what is wrong is named by file, line and cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from string import Formatter
from textwrap import dedent
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from structlog.testing import capture_logs

from pollers.notification.convert import Converter
from pollers.notification.events import EventDefinitions, load_events
from pollers.notification.loading import load_converter
from pollers.notification.meter_files import load_meters, meter_files
from pollers.notification.meters import MeterDefinitions
from pollers.notification.pipelines import load_pipelines
from pollers.notification.resource_files import load_resource_rules
from telemetry_site.yamlfile import Fault
from tests.support.notifications import (
    Result,
    convert,
    image,
    message,
    packed,
    stock_converter,
    volume,
)

#: A definition that is right, to be spoilt.
METER = {
    "name": "m", "event_type": "x.y", "type": "gauge", "unit": "u", "volume": "payload.n",
    "resource_id": "payload.id",
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`write(name, text)`: the file, by a path without directory, as it stands in faults."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> Path:
        Path(name).write_text(dedent(text).lstrip("\n"))
        return Path(name)

    return write


def meter(**changes: Any) -> str:
    """The definition as a file of one, in one line a key."""
    lines = [f"{key}: {value}" for key, value in {**METER, **changes}.items() if value is not None]
    return "metric:\n- " + "\n  ".join(lines) + "\n"


def by_meters(definitions: MeterDefinitions, *messages: dict[str, Any]) -> Result:
    return convert(*messages, by=Converter(EventDefinitions([]), definitions))


def by_events(definitions: EventDefinitions, *messages: dict[str, Any]) -> Result:
    return convert(*messages, by=Converter(definitions, MeterDefinitions([])))


# --- meters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[]", "m.yaml:1: must be a mapping with a list 'metric'"),
        ("metric: 5", "m.yaml:1: must be a mapping with a list 'metric'"),
        ("metric:\n- 5", "m.yaml:2: definition left out: must be a mapping"),
        ("metric: [", "m.yaml:2: is not valid YAML: did not find expected node content"),
        (meter(unit=None), "m.yaml:2: definition left out: required fields missing: unit"),
        (meter(colour="red"), "m.yaml:2: definition left out: unknown key colour"),
        (meter(type="absolute"),
         "m.yaml:4: definition left out: type 'absolute' is not one of gauge, cumulative, delta"),
        (meter(event_type="'('"),
         "m.yaml:3: definition left out: 'event_type' must be a regular expression"),
        (meter(volume="'payload.['"),
         "m.yaml:6: definition left out: volume: 'payload.[' is not a JSONPath expression"),
        (meter(volume="{fields: payload.n, plugin: nosuch}"),
         "m.yaml:6: definition left out: volume: there is no plugin 'nosuch', only split,"),
        (meter(volume="{plugin: split}"),
         "m.yaml:6: definition left out: volume: the key 'fields' is missing"),
        (meter(volume="{fields: payload.n, plugin: {name: map}}"),
         "m.yaml:6: definition left out: volume: plugin map: values must be a mapping"),
        (meter(metadata="{a: '['}"), "m.yaml:8: definition left out: metadata a: '[' is not"),
        (meter(lookup="[colour]"), "m.yaml:8: definition left out: 'lookup' may list name,"),
        (meter(lookup="volume", volume="{fields: payload.n, plugin: timedelta}"),
         "m.yaml:6: definition left out: volume: this plugin gives one value"),
        (meter() + "  unit: v\n", "m.yaml:8: key 'unit' stands twice; the later one counts"),
    ],
)  # fmt: skip
def test_a_fault_of_a_meter_names_file_line_and_cause(write: Any, text: str, fault: str) -> None:
    _, faults = load_meters([write("m.yaml", text)])

    assert str(faults[0]).startswith(fault)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"volume": ".nan"}, "6: definition left out: volume: a number that is not finite"),
        ({"volume": "-.inf"}, "6: definition left out: volume: a number that is not finite"),
        ({"volume": "0x" + "f" * 2000}, "6: is not valid YAML: a number of more than 4096 bits"),
        ({"event_type": "'a{1,99999999999}'"}, "3: definition left out: 'event_type' must be"),
        ({"event_type": "'" + "(" * 2000 + "a" + ")" * 2000 + "'"},
         "3: definition left out: 'event_type' must be a regular expression"),
        ({"volume": "{fields: a, plugin: {name: bitfield, parameters: "
                    "{flags: [{path: [a], bit: 1}]}}}"},
         "6: definition left out: volume: plugin bitfield: each flag needs a path"),
    ],
)  # fmt: skip
def test_odd_values_of_a_meter_are_faults_of_their_line(
    write: Any, changes: dict[str, str], fault: str
) -> None:
    definitions, faults = load_meters([write("m.yaml", meter(**changes))])

    assert definitions.definitions == ()
    assert str(faults[0]).startswith(f"m.yaml:{fault}")


def test_a_split_into_more_pieces_than_there_can_be_is_one_into_all(write: Any) -> None:
    split = (
        "{fields: payload.s, plugin: {name: split, parameters: {max_split: 99999999999999999999}}}"
    )
    definitions, faults = load_meters([write("m.yaml", meter(resource_id=split))])
    result = by_meters(definitions, message("x.y", {"s": "a.b.c", "n": 1}))

    assert (faults, result.resource.id) == ([], "a")


#: In YAML, each for the place of any key.
ODD = (
    "", "5", "-1", "1.5", ".nan", "true", "2026-01-01", "''", "' '", "'$'", "'['", "'a|b'", "'%'",
    "'\\x00'", '"\\0"', "[]", "[[]]", "[5]", "[null]", "[{}]", "['!']", "{}", "{a: b}", "{5: 5}",
    "[a, a]", "{fields: []}", "{fields: {a: b}}", "{fields: a, plugin: []}",
    "{fields: a, plugin: {name: [a]}}",
    "{fields: a, plugin: {name: split, parameters: {separator: ''}}}",
    "{fields: a, plugin: {name: map, parameters: {values: {a: .nan}, default: []}}}",
    "{fields: a, when: [b]}", "{type: [a], fields: b}", "!!binary aGFsbG8=", "&a [*a]",
    "&a {b: *a}",
    "{name: 'x'}", "[{name: x}]", "[{name: {}}]", "['gnocchi://', []]", "[[a]]", "[{a: b}]",
    "'" + "x" * 3000 + "'", "[{name: unit_conversion, parameters: {target: {scale: .inf}}}]",
    "[{name: unit_conversion, parameters: {target: {max: .nan, type: [a]}}}]",
    "[{name: unit_conversion, parameters: {source: {map_from: {name: 'a{1,99999999999}'}}, "
    "target: {map_to: {name: b}}}}]",
    "[{name: unit_conversion, parameters: {source: 5}}]",
    "[{name: unit_conversion, parameters: []}]",
)  # fmt: skip
#: {file: with a place for each of its keys}.
FILES = {
    "m.yaml": "metric:\n- {{name: {name}, event_type: {event_type}, type: {type}, unit: {unit}, "
    "volume: {volume}, resource_id: {resource_id}, project_id: {project_id}, user_id: {user_id}, "
    "timestamp: {timestamp}, metadata: {metadata}, user_metadata: {user_metadata}, "
    "lookup: {lookup}, resource_type: {resource_type}}}",
    "e.yaml": "- event_type: {event_type}\n  traits: {{a: {trait}, b: payload.b}}\n"
    "- {{event_type: y, traits: {traits}}}\n- {entry}",
    "p.yaml": "sources:\n"
    "- {{name: {source}, meters: {meters}, sinks: {sinks}, interval: {interval}}}\n"
    "sinks:\n- {{name: s, publishers: {publishers}, transformers: {transformers}}}\n- {sink}",
    "r.yaml": "archive_policy_default: {default}\narchive_policies: {policies}\nresources:\n"
    "- {{resource_type: {resource_type}, metrics: {metrics}, attributes: {attributes}, "
    "archive_policy: {policy}, event_delete: {event_delete}, event_attributes: {event_attributes}, "
    "event_associated_resources: {associated}}}",
}
LOADERS: dict[str, Callable[[Path], tuple[Any, list[Fault]]]] = {
    "m.yaml": lambda file: load_meters([file]),
    "e.yaml": lambda file: load_events([file]),
    "p.yaml": load_pipelines,
    "r.yaml": load_resource_rules,
}
RIGHT = {
    "name": "m", "event_type": "'x.*'", "type": "gauge", "unit": "u", "volume": "payload.n",
    "resource_id": "payload.id", "sinks": "[s]", "meters": "['*']", "publishers": "['gnocchi://']",
    "source": "a", "sink": "{name: t, publishers: ['gnocchi://']}", "interval": "5",
    "metrics": "[m]", "resource_type": "kind", "entry": "{event_type: z, traits: {}}",
}  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_odd_values_at_every_key_are_faults_with_a_place_or_mean_something(
    write: Any, file: str
) -> None:
    """Neither loading nor what is made by it then raises."""
    keys = {name for _, name, _, _ in Formatter().parse(FILES[file]) if name}
    messages = [
        packed(message("x.y", {"id": "i1", "n": 5, "b": 1})), packed(volume()), packed(image())
    ]  # fmt: skip
    for key in sorted(keys):
        for odd in ODD:
            text = FILES[file].format(**{one: RIGHT.get(one, "null") for one in keys} | {key: odd})
            made, faults = LOADERS[file](write(file, text))
            assert all(fault.file == file and str(fault).isprintable() for fault in faults), faults
            converter = {
                "m.yaml": lambda made=made: Converter(EventDefinitions([]), made),
                "e.yaml": lambda made=made: Converter(made, MeterDefinitions([])),
                "p.yaml": lambda made=made: replace(stock_converter(), meter_pipelines=made),
                "r.yaml": lambda made=made: replace(stock_converter(), resources=made),
            }[file]()
            with capture_logs():
                result = convert(*messages, by=converter)
            reasons = [(one.reason, one.detail) for one in result.batch.rejects]
            assert "unknown" not in dict(reasons), (key, odd, reasons)


def test_a_file_that_is_not_there_is_a_fault(write: Any) -> None:
    _, faults = load_meters([Path("absent.yaml")])

    assert str(faults[0]).startswith("absent.yaml: cannot be read: ")


def test_bad_meters_are_left_out_and_of_one_name_the_later_in_the_file_counts(write: Any) -> None:
    rest = "event_type: x.y, type: gauge, resource_id: payload.id"
    text = f"""
        metric:
        - {{name: a, unit: B, {rest}}}
        - {{name: b, unit: B, volume: 1, {rest}}}
        - {{name: b, unit: KiB, volume: 1, {rest}}}
        - {{name: c, unit: '%', volume: 1, {rest}}}
        """
    definitions, faults = load_meters([write("m.yaml", text)])
    result = by_meters(definitions, message("x.y", {"id": "i1"}))

    assert result.samples == {"b": (1.0, "KiB", "gauge"), "c": (1.0, "%", "gauge")}
    assert list(map(str, faults)) == [
        "m.yaml:2: definition left out: required fields missing: volume",
        "m.yaml:3: meter 'b' left out: it stands again in line 4",
    ]


def test_of_one_name_the_first_file_counts_and_a_directory_is_read_by_name(write: Any) -> None:
    Path("d").mkdir()
    write("d/20.yaml", meter(unit="second"))
    write("d/10.yaml", meter(unit="first"))
    write("d/ignored.txt", "[")
    definitions, faults = load_meters(meter_files([Path("d")]))
    result = by_meters(definitions, message("x.y", {"id": "i1", "n": 5}))

    assert result.samples == {"m": (5.0, "first", "gauge")}
    assert list(map(str, faults)) == ["d/20.yaml:2: meter 'm' left out: d/10.yaml:2 comes first"]


# --- events ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}", "e.yaml:1: must be a list of event definitions"),
        ("- 5", "e.yaml:1: definition left out: must be a mapping with 'event_type' and 'traits'"),
        ("- traits: {}", "e.yaml:1: definition left out: event_type missing"),
        ("- event_type: x", "e.yaml:1: definition left out: traits missing"),
        ("- event_type: []\n  traits: {}",
         "e.yaml:1: definition left out: 'event_type' must be a wildcard or a list of them"),
        ("- event_type: x\n  traits: 5",
         "e.yaml:2: definition left out: 'traits' must be a mapping"),
        ("- event_type: x\n  traits:\n    a: b\n    c: '['",
         "e.yaml:4: trait left out: c: '[' is not a JSONPath expression"),
        ("- event_type: x\n  traits:\n    a: {type: bool, fields: b}",
         "e.yaml:3: trait left out: a: type 'bool' is not one of text, int, float, datetime"),
        ("- event_type: x\n  traits:\n    a: {type: int}",
         "e.yaml:3: trait left out: a: the key 'fields' is missing"),
        ("- event_type: x\n  traits:\n    a: {fields: b, plugin: {parameters: {}}}",
         "e.yaml:3: trait left out: a: plugin: a name, or a mapping with 'name'"),
    ],
)  # fmt: skip
def test_a_fault_of_an_event_names_file_line_and_cause(write: Any, text: str, fault: str) -> None:
    _, faults = load_events([write("e.yaml", text)])

    assert str(faults[0]).startswith(fault)


def test_a_bad_trait_leaves_the_others_and_the_last_definition_over_all_files_counts(
    write: Any,
) -> None:
    first = write("1.yaml", "- {event_type: 'x.*', traits: {a: payload.a, b: payload.b}}")
    second = write("2.yaml", "- {event_type: x.y, traits: {c: payload.c, bad: '['}}")
    definitions, faults = load_events([first, second])
    payload = {"a": 1, "b": 2, "c": 3}

    assert by_events(definitions, message("x.y", payload)).traits["c"] == "3"
    assert "a" not in by_events(definitions, message("x.y", payload)).traits
    assert by_events(definitions, message("x.z", payload)).traits["b"] == "2"
    assert len(faults) == 1


def test_what_no_definition_fits_is_dropped_where_that_is_wanted(write: Any) -> None:
    file = write("e.yaml", "- {event_type: x.y, traits: {}}")
    dropping, _ = load_events([file], drop_unmatched=True)

    assert by_events(dropping, message("z", {})).events == []
    assert by_events(load_events([file])[0], message("z", {})).event.event_type == "z"


# --- the command -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (meter(unit=None), "2: definition left out: required fields missing: unit"),
        ("- event_type: x", "1: definition left out: traits missing"),
        ("sources:\n- {name: a, meters: [b], sinks: [c]}\nsinks: []",
         "2: Dangling sink c from source a"),
        ("sources:\n- {name: a, events: [], sinks: [c]}\nsinks:\n- {name: c, publishers: [x]}",
         "2: source 'a': No events specified"),
        ("resources:\n- resource_type: x",
         "2: resource left out: Required field metrics not specified"),
    ],
)  # fmt: skip
def test_the_command_knows_each_kind_of_file(
    write: Any, capsys: pytest.CaptureFixture[str], text: str, fault: str
) -> None:
    with pytest.raises(CommandError, match="faults"):
        call_command("check_definitions", write("f.yaml", text))

    assert f"f.yaml:{fault}" in capsys.readouterr().out


def test_the_settings_files_are_what_is_converted_by(write: Any, settings: Any) -> None:
    sources = "sources:\n- {name: a, %s: [x.y], sinks: [c]}\nsinks:\n- {name: c, publishers: [%s]}"
    settings.TELEMETRY_METER_DEFINITIONS = [str(write("m.yaml", meter(name="x.y")))]
    settings.TELEMETRY_METER_PIPELINE = str(write("p.yaml", sources % ("meters", "gnocchi")))
    settings.TELEMETRY_EVENT_PIPELINE = str(write("e.yaml", sources % ("events", "'udp://h'")))
    rules = "resources: [{resource_type: thing, metrics: [x.y]}]"
    settings.TELEMETRY_RESOURCE_DEFINITIONS = str(write("r.yaml", rules))
    settings.TELEMETRY_NOTIFICATION_SECRET = "something"
    converter, faults = load_converter()
    result = convert(
        message("x.y", {"id": "i1", "n": 5}),
        message("image.send", {"image_id": "i2"}),
        by=converter,
    )

    assert result.samples == {"x.y": (5.0, "u", "gauge")}
    assert result.resource.type == "thing"
    assert [event.event_type for event in result.events] == ["x.y"]
    assert converter.secret == "something"
    assert [fault.file for fault in faults] == ["p.yaml", "e.yaml"]
