"""What events say of resources, from the notification to the database."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from meters import wire
from meters.models import ArchivePolicy, CatalogueEpoch, Event, Metric, Resource, ResourceRevision
from meters.store.write import store_batch
from pollers.batch import BatchBuilder
from pollers.notification.loading import STOCK
from pollers.notification.resource_files import load_resource_rules
from telemetry_site.clock import from_us, now, now_us
from tests.support.batches import SECOND, batch_of, event, resource
from tests.support.notifications import INSTANCE, PROJECT, convert, instance, stock_converter

pytestmark = pytest.mark.django_db

BEGIN = now_us() - 3600 * SECOND


def told(kind: wire.ChangeKind, name: str = "vm-1", after_s: int = 0, **fields: Any) -> wire.Event:
    change = wire.ResourceChange(kind=kind, id=name, **{"type": "instance", **fields})
    happened = event(generated=BEGIN + after_s * SECOND)
    return wire.Event(happened.message_id, happened.event_type, happened.generated, change=change)


def store(*events: wire.Event) -> None:
    store_batch(batch_of(events=list(events)))


def measured(name: str = "vm-1", after_s: int = 0, **fields: Any) -> None:
    store_batch(batch_of((resource(name, **fields), "cpu", 1.0, BEGIN + after_s * SECOND)))


def at(after_s: int) -> datetime:
    return from_us(BEGIN + after_s * SECOND)


def the(name: str = "vm-1") -> Resource:
    return Resource.objects.get(original_id=name)


def test_an_event_makes_a_resource_once() -> None:
    attributes = {"display_name": "web", "host": "h1"}
    made = told("create", project_id="p1", user_id="u1", attributes=attributes)
    store(made, told("create", after_s=9, attributes={"display_name": "other"}))
    store(made)

    found = the()
    assert (found.type, found.project_id, found.user_id) == ("instance", "p1", "u1")
    assert found.metadata == attributes
    assert (found.started_at, found.ended_at) == (at(0), None)
    assert ResourceRevision.objects.filter(resource=found).count() == 1


def test_an_event_makes_nothing_of_a_resource_that_is_there() -> None:
    measured()
    store(told("create", after_s=5, attributes={"display_name": "other"}))

    assert the().metadata == {"display_name": "name of vm-1"}


def test_an_event_ends_a_resource_at_its_own_time() -> None:
    measured()
    store(told("end", after_s=10))

    found = the()
    assert found.ended_at == at(10)
    ended, begun = ResourceRevision.objects.filter(resource=found).order_by("-valid_from")
    assert (ended.valid_from, ended.ended_at, ended.metadata) == (at(10), at(10), found.metadata)
    assert begun.ended_at is None


def test_what_has_ended_stays_so_and_a_late_sample_changes_nothing() -> None:
    measured()
    store(told("end", after_s=10))
    store(told("end", after_s=20))
    for after_s in (5, 10):
        measured(after_s=after_s)

    assert the().ended_at == at(10)
    assert Metric.objects.get().name == "cpu"


def test_what_is_measured_after_its_end_has_not_ended() -> None:
    """Also where the collector knows the resource; one that is measured with it stays as it is."""
    CatalogueEpoch.objects.get_or_create(pk=1)
    for name in ("vm-1", "vm-2"):
        measured(name)
        store(told("end", name, after_s=10))
    measured(after_s=8)
    epoch = CatalogueEpoch.objects.get().epoch
    late = (resource("vm-2"), "cpu", 1.0, BEGIN + 9 * SECOND)
    again = (resource(), "cpu", 2.0, BEGIN + 11 * SECOND)
    store_batch(batch_of(late, again))

    assert (the().ended_at, the("vm-2").ended_at) == (None, at(10))
    assert CatalogueEpoch.objects.get().epoch == epoch + 1
    measured(after_s=12)
    assert CatalogueEpoch.objects.get().epoch == epoch + 1, "that is known now"
    store(told("end", after_s=30))
    assert the().ended_at == at(30)


@pytest.mark.parametrize(
    "told_so", [{"deleted_at": "2026-01-01"}, {"state": "deleted"}, {"deleted": True}]
)
def test_what_is_told_of_the_deleted_does_not_revive_them(told_so: dict[str, Any]) -> None:
    """Nova's audit tells within the hour of what was there."""
    measured()
    store(told("end", after_s=10))
    measured(after_s=60, metadata=told_so)

    assert the().ended_at == at(10)


def test_resources_that_name_it_end_with_it_and_others_do_not() -> None:
    measured("vm-1-vda", type="instance_disk", metadata={"instance_id": "vm-1"})
    measured("vm-2-vda", type="instance_disk", metadata={"instance_id": "vm-2"})
    measured("vm-1-note", type="note", metadata={"instance_id": "vm-1"})
    measured()
    store(told("end", after_s=10, associated=[("instance_disk", "instance_id")]))

    ended = Resource.objects.exclude(ended_at=None).values_list("original_id", flat=True)
    assert set(ended) == {"vm-1", "vm-1-vda"}


def test_an_event_changes_owner_and_attributes() -> None:
    measured()
    store(told("update", after_s=10, project_id="p2", attributes={"size": 2}))

    found = the()
    assert (found.project_id, found.user_id) == ("p2", "u1")
    assert found.metadata == {"display_name": "name of vm-1", "size": 2}
    newest = ResourceRevision.objects.filter(resource=found).latest("valid_from")
    assert (newest.valid_from, newest.project_id) == (at(10), "p2")


def test_an_update_that_says_nothing_new_makes_no_revision() -> None:
    measured()
    store(told("update", after_s=10, project_id="p1", attributes={}))

    assert ResourceRevision.objects.filter(resource=the()).count() == 1


def test_only_what_changes_something_makes_collectors_forget() -> None:
    def epoch() -> int:
        return CatalogueEpoch.objects.get().epoch

    CatalogueEpoch.objects.get_or_create(pk=1)
    measured()
    before = epoch()
    store(told("create"), told("update", attributes={"display_name": "name of vm-1"}))
    assert epoch() == before
    store(told("update", attributes={"display_name": "other"}))
    assert epoch() == before + 1


def test_an_event_that_comes_again_changes_nothing() -> None:
    measured()
    moved = told("update", after_s=10, project_id="p2")
    store(moved)
    store(told("update", after_s=20, project_id="p3"))
    store(moved)

    assert the().project_id == "p3"


def test_made_and_ended_in_one_batch() -> None:
    store(told("end", after_s=10), told("create"))

    assert (the().started_at, the().ended_at) == (at(0), at(10))


def test_no_event_ends_what_a_tenant_posted() -> None:
    posted = batch_of((resource("vm-1"), "cpu", 1.0, BEGIN))
    store_batch(posted, creator="p9")
    store(told("end", after_s=10))

    assert the().ended_at is None


def test_samples_after_an_update_go_on_into_the_same_series() -> None:
    """Collectors that know the resource learn of its new revision."""
    measured()
    store(told("update", after_s=10, project_id="p2"))
    measured(after_s=20, project_id="p2")

    assert the().project_id == "p2"
    assert Metric.objects.count() == 1


def test_a_notification_of_a_deletion_ends_the_instance() -> None:
    rules, _ = load_resource_rules(STOCK / "resources.yaml")
    by = replace(stock_converter(), resources=rules)
    begin = now() - timedelta(hours=1)
    for minute, phase in enumerate(("create.end", "delete.start", "delete.end")):
        written = instance(f"compute.instance.{phase}")
        written["message_id"] = f"m-{phase}"
        written["timestamp"] = str((begin + timedelta(minutes=minute)).replace(tzinfo=None))
        store_batch(convert(written, by=by).batch)

    found = the(INSTANCE)
    assert (found.type, found.project_id) == ("instance", PROJECT)
    assert found.ended_at == begin + timedelta(minutes=2)
    assert Event.objects.count() == 3


@pytest.mark.parametrize(("named", "expected"), [("high", "high"), ("", None), ("none", None)])
def test_a_new_series_has_the_policy_that_its_sample_names(
    named: str, expected: str | None
) -> None:
    high = ArchivePolicy.objects.create(
        name="high", back_window=0, definition=[], aggregation_methods=[]
    )
    builder = BatchBuilder("notification.h1")
    builder.add(resource(), "memory", 1.0, BEGIN, policy=named)
    (batch,) = builder.batches()
    store_batch(batch)

    assert Metric.objects.get().archive_policy == (high if expected else None)


POLICIES = """
archive_policies:
  - name: ceilometer-low
    aggregation_methods: [mean]
    back_window: 0
    definition: [{granularity: 5 minutes, timespan: 30 days}]
  - {name: high, definition: [{granularity: 1 second, timespan: 1 hour}]}
resources: []
"""


def test_the_policies_of_a_resource_file_are_made_once(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(POLICIES)
    first, second = StringIO(), StringIO()
    call_command("load_archive_policies", file, stdout=first)
    call_command("load_archive_policies", file, stdout=second)

    assert first.getvalue() == "ceilometer-low: made\nhigh: made\n"
    assert "ceilometer-low: is there already" in second.getvalue()
    low = ArchivePolicy.objects.get(name="ceilometer-low")
    assert low.definition == [{"granularity": 300_000_000, "points": 8640}]
    assert low.aggregation_methods == ["mean"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resources: []", "must be a mapping with a list 'archive_policies'"),
        ("a: [", "is not valid YAML"),
        ("archive_policies:\n- {name: a/b, definition: []}", ":2: '/' is not supported"),
        ("archive_policies:\n- name: x", ":2: required key not provided @ data['definition']"),
        ("archive_policies:\n- {name: x, definition: [{granularity: never, points: 1}]}", ":2: "),
        ("archive_policies:\n- {name: x, definition: [{points: 5}]}", ":2: At least two"),
    ],
)
def test_a_policy_that_is_none_is_told_by_its_line_and_nothing_is_made(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(text)
    with pytest.raises(CommandError, match=re.escape(said)):
        call_command("load_archive_policies", file)
    assert not ArchivePolicy.objects.exists()
