"""gnocchi_resources.yaml: what samples are of, and what events say of resources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from meters import wire
from pollers.notification.loading import STOCK
from pollers.notification.resource_files import load_resource_rules
from pollers.notification.resource_rules import ResourceRules
from tests.support.notifications import (
    INSTANCE,
    PROJECT,
    USER,
    Result,
    convert,
    image,
    instance,
    message,
    stock_converter,
    volume,
)

#: In the words of a file of the operator's.
OWN = r"""
archive_policy_default: low
archive_policies: [{name: low}, {name: high}]
resources:
  - resource_type: server
    metrics:
      memory: {archive_policy_name: high}
      vcpus:
    attributes:
      host: resource_metadata.(instance_host|host)
      flavor: resource_metadata.flavor_name
      group: resource_metadata.user_metadata.server_group
      image: resource_metadata.absent
    event_create: compute.instance.create.end
    event_delete: [compute.instance.delete.*, "!never"]
    event_attributes: {id: instance_id, project_id: project_id, launched_at: launched_at}
    event_associated_resources: {server_disk: '{"=": {"server": "%s"}}'}
  - {resource_type: list, metrics: [disk.root.size, cpu]}
  - {resource_type: last, metrics: [cpu], archive_policy: medium}
"""
DEPRECATED = (
    "r.yaml:18: resource 'last': 'archive_policy' counts for all its metrics; name it with each"
)


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """`load(text)`: the rules of the text, and its faults without the directory."""

    def load(text: str) -> tuple[ResourceRules, list[str]]:
        file = tmp_path / "r.yaml"
        file.write_text(dedent(text).lstrip("\n"))
        rules, faults = load_resource_rules(file)
        return rules, [str(fault).removeprefix(f"{tmp_path}/") for fault in faults]

    return load


def by_own(load: Any, *messages: dict[str, Any]) -> Result:
    return convert(*messages, by=replace(stock_converter(), resources=load(OWN)[0]))


def by_stock(*messages: dict[str, Any]) -> Result:
    rules, faults = load_resource_rules(STOCK / "resources.yaml")
    assert faults == []
    return convert(*messages, by=replace(stock_converter(), resources=rules))


def series(result: Result) -> dict[str, wire.Series]:
    assert result.batch.samples is not None
    found = wire.decode_catalogue(result.batch.samples).series
    return {one.meter: one for one in found}


def test_a_meters_rule_gives_type_and_attributes_to_its_resource(load: Any) -> None:
    result = by_own(load, instance())
    resources = {row["meter"]: row["resource"] for row in result.rows}

    assert resources["memory"].type == resources["vcpus"].type == "server"
    metadata = resources["memory"].metadata
    assert (metadata["host"], metadata["flavor"], metadata["group"]) == (
        "cmp01", "m1.small", "asg1",
    )  # fmt: skip
    assert "image" not in metadata
    assert metadata["display_name"] == "web-1"
    assert resources["disk.root.size"].type == "list"


def test_a_meter_without_rule_is_kept_as_its_definition_says(load: Any) -> None:
    result = by_own(load, instance())
    resources = {row["meter"]: row["resource"] for row in result.rows}

    assert resources["disk.ephemeral.size"].type == "instance"


def test_a_series_gets_the_policy_of_its_meter_else_the_default(load: Any) -> None:
    found = series(by_own(load, instance()))

    assert {meter: one.policy for meter, one in found.items()} == {
        "memory": "high", "vcpus": "low", "disk.root.size": "low", "disk.ephemeral.size": "",
        "compute.instance.booting.time": "",
    }  # fmt: skip


def test_the_last_rule_of_a_meter_counts(load: Any) -> None:
    rules, faults = load(OWN)

    assert (rules.samples["cpu"].resource_type, rules.samples["cpu"].policy) == ("last", "medium")
    assert faults == [DEPRECATED]


def test_an_event_says_which_resource_it_makes(load: Any) -> None:
    change = by_own(load, instance()).event.change

    assert change == wire.ResourceChange(
        kind="create",
        id=INSTANCE,
        type="server",
        project_id=PROJECT,
        attributes={"launched_at": "2026-11-25T02:00:12.700000+00:00"},
    )


def test_an_event_that_ends_a_resource_names_those_that_end_with_it(load: Any) -> None:
    change = by_own(load, instance("compute.instance.delete.start")).event.change

    assert change is not None
    assert (change.kind, change.id, change.associated) == (
        "end", INSTANCE, [("server_disk", "server")],
    )  # fmt: skip


def test_an_event_without_the_id_says_nothing_and_that_is_noted(load: Any) -> None:
    result = by_own(load, instance(instance_id=None))

    assert result.event.change is None
    assert "no trait instance_id names a resource" in str(result.tally.notes)


def test_ours_ends_an_instance_when_it_is_gone_not_when_its_deletion_begins() -> None:
    begun, gone = (
        by_stock(instance(f"compute.instance.delete.{phase}")).event.change
        for phase in ("start", "end")
    )

    assert begun is None
    assert gone is not None
    assert (gone.kind, gone.type) == ("end", "instance")
    assert set(gone.associated) == {
        ("instance_disk", "instance_id"), ("instance_network_interface", "instance_id"),
    }  # fmt: skip


def test_ours_makes_an_instance_as_it_is_created() -> None:
    change = by_stock(instance()).event.change

    assert change is not None
    assert (change.kind, change.project_id, change.user_id) == ("create", PROJECT, USER)
    assert change.attributes == {
        "display_name": "web-1", "host": "cmp01", "availability_zone": "nova", "flavor_id": "42",
        "flavor_name": "m1.small",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (volume("volume.delete.end"), "end"),
        (volume("volume.transfer.accept.end"), "update"),
        (volume("volume.create.end"), None),
        (image("image.delete"), "end"),
        (message("snapshot.delete.end", {"snapshot_id": "s"}), "end"),
        (message("floatingip.delete.end", {"floatingip_id": "f"}), "end"),
        (message("octavia.loadbalancer.delete.end", {"loadbalancer_id": "l"}), "end"),
        (message("dns.zone.delete", {"id": "z"}), "end"),
        (message("share.delete.end", {"share_id": "h"}), "end"),
    ],
)
def test_ours_knows_what_ends_and_changes_other_things(
    written: dict[str, Any], kind: str | None
) -> None:
    change = by_stock(written).event.change

    assert (change and change.kind) == kind


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[]", "r.yaml:1: must be a mapping with a list 'resources'"),
        ("resources: [5]", "r.yaml:1: resource left out: must be a mapping"),
        ("resources:\n- metrics: []",
         "r.yaml:2: resource left out: Required field resource_type not specified"),
        ("resources:\n- resource_type: x",
         "r.yaml:2: resource left out: Required field metrics not specified"),
        ("resources:\n- resource_type: x\n  metrics: 5",
         "r.yaml:3: resource left out: Required field metrics should be a list or a mapping"),
        ("resources:\n- resource_type: x\n  metrics: {}\n  attributes:\n    a: '['",
         "r.yaml:5: resource left out: attribute a: '[' is not a JSONPath expression"),
        ("resources:\n- resource_type: x\n  metrics: {}\n  event_delete: y",
         "r.yaml:2: resource left out: 'event_attributes' must say which trait is the id"),
        ("resources:\n- resource_type: x\n  metrics: {}\n  event_delete: [5]",
         "r.yaml:4: resource left out: 'event_delete' must be a wildcard or a list of them"),
        ("resources:\n- resource_type: x\n  metrics: {}\n  event_delete: y\n"
         "  event_attributes: {id: i}\n  event_associated_resources:\n    z: '{\">\": 1}'",
         "r.yaml:7: resource left out: 'event_associated_resources': '{\">\": 1}' is not"),
        ("resources:\n- resource_type: x\n  metrics: {a: {policy: b}}\n  colour: red",
         "r.yaml:4: resource 'x': there is no key 'colour'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_line(load: Any, text: str, fault: str) -> None:
    assert load(text)[1][0].startswith(fault)
