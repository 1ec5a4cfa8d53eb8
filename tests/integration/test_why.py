"""Why there is no data, from the store to page and command: who is told what, and of what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from meters import wire
from meters.models import Metric, Quarantine, Resource, Source
from meters.store import write
from meters.store.write import store_batch
from meters.ui import backlog
from meters.why.answer import Answer, explain
from meters.why.gather import gather
from pollers.batch import BatchBuilder
from pollers.compute.plan import ComputePlan
from pollers.compute.sources import ComputeSources
from pollers.polling_file import PollingSource
from pollers.polls import run_poll
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import now_us
from telemetry_site.selection import Selection
from tests.browser import seed
from tests.support.batches import SECOND, batch_of, event, report, resource
from tests.support.storing import run

pytestmark = pytest.mark.django_db
OPERATOR = Principal("1", "operator", is_admin=True)
MEMBER = Principal("2", "member", roles={"p1": "member"})
STRANGER = Principal("3", "stranger", roles={"p2": "member"})
HOUR = 3600 * SECOND


@pytest.fixture(autouse=True)
def _fresh(broker: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(backlog, "_ask_at", None)  # what other tests' broker said
    monkeypatch.setattr(backlog, "_known", backlog.Backlog())
    write._cache.clear()
    yield
    write._cache.clear()


def ask(name: str = "vm-1", meter: str = "cpu", who: Principal = OPERATOR) -> Answer:
    return explain(gather(who, name, meter))


def codes(answer: Answer) -> dict[str, str]:
    return {one.code: str(one.weight) for one in answer.findings}


def vm(**fields: object) -> wire.Resource:
    return resource("vm-1", metadata={"display_name": "web", "instance_host": "h1"}, **fields)


def polled(details: dict[str, object] | None = None, **fields: object) -> wire.PollReport:
    chosen = {"selection": {"meters": ["cpu", "memory.usage"], "left_out": ["vcpus"],
                            "rules": ["polling.yaml:2: source 'a' takes cpu"]}}  # fmt: skip
    return report(details={**chosen, **(details or {})}, **fields)


@pytest.fixture
def stopped() -> None:
    """`cpu` of vm-1 stopped an hour ago, `memory` goes on; compute.h1 polls it."""
    now = now_us()
    samples = [(vm(), "cpu", 1.0, now - HOUR - age * 10 * SECOND) for age in range(5)]
    store_batch(batch_of(*samples, (vm(), "memory", 1.0, now), reports=[polled()]))


def test_data_at_hand_is_said_first() -> None:
    now = now_us()
    samples = [(vm(), "cpu", 1.0, now - age * 10 * SECOND) for age in range(5)]
    store_batch(batch_of(*samples, reports=[polled()]))
    answer = ask()
    assert answer.has_data
    assert answer.headline.startswith("There is data")
    assert answer.findings[0].evidence == ("samples are 10 s apart",)
    assert codes(answer)["polled"] == "fine"


@pytest.mark.usefixtures("stopped")
class TestOneCauseEach:
    def test_without_a_cause_it_says_what_is_known(self) -> None:
        answer = ask()
        assert not answer.explained
        assert "while other meters of the resource go on" in answer.headline
        assert {"selected", "nothing_lost", "on_time", "polled", "kept"} <= set(codes(answer))

    def test_a_rule_leaves_the_meter_out(self) -> None:
        first = ask(meter="vcpus").findings[0]
        assert (first.code, str(first.weight)) == ("left_out", "cause")
        assert first.evidence == ("polling.yaml:2: source 'a' takes cpu",)
        assert first.source == Source.objects.get().pk

    def test_the_source_lacks_it(self) -> None:
        lacking = [{"why": "no balloon driver", "meters": ["memory.usage"], "resources": ["vm-1"]}]
        store_batch(batch_of(reports=[polled({"lacking": lacking})]))
        assert ask(meter="memory.usage").findings[0].code == "lacking"

    def test_the_source_is_silent_or_refuses(self) -> None:
        store_batch(batch_of(reports=[polled(outcome="error", errors=["libvirt: refused"])]))
        assert "libvirt: refused" in ask().headline
        Source.objects.update(last_received="2026-01-01T00:00:00Z")
        assert ask().findings[0].code == "silent"

    def test_samples_lie_in_the_quarantine(self) -> None:
        ahead = now_us() + HOUR
        store_batch(batch_of((vm(), "cpu", 1.0, ahead), (vm(), "disk", 1.0, ahead)))
        first = ask().findings[0]
        assert (first.code, first.quarantined) == ("quarantined", Quarantine.objects.get().pk)
        assert "too far in the future" in first.verdict
        assert codes(ask(meter="disk"))["quarantined"] == "cause"
        assert "quarantined" not in codes(ask(meter="memory"))
        assert "quarantined" not in codes(ask("vm-2"))
        Quarantine.objects.update(state=Quarantine.State.DISCARDED)
        assert "quarantined" not in codes(ask())

    def test_a_value_that_could_not_be_converted_is_found_by_resource_and_meter(self) -> None:
        refused = wire.Reject("not_finite", "cpu: nan is not finite", b"nan", source="vm-1")
        store_batch(batch_of(rejects=[refused]))
        assert "not a finite number" in ask().headline
        assert "quarantined" not in codes(ask(meter="memory"))

    def test_the_agents_spool_was_full(self) -> None:
        traits = [
            wire.Trait("agent_id", "text", "compute.h1"), wire.Trait("items", "int", 400),
            wire.Trait("reason", "text", "disk"), wire.Trait("first", "datetime", now_us() - HOUR),
            wire.Trait("last", "datetime", now_us()),
        ]  # fmt: skip
        store_batch(batch_of(events=[event("", *traits, event_type="telemetry.spool.dropped")]))
        first = ask().findings[0]
        assert first.code == "dropped"
        assert "400 items" in first.verdict
        assert "samples from" in first.evidence[1]

    def test_the_resource_has_ended_or_is_shut_off(self) -> None:
        store_batch(batch_of((vm(), "power.state", 5.0, now_us())))
        assert ask().findings[0].code == "shut_off"
        Resource.objects.update(ended_at="2026-11-01T00:00:00Z")
        assert ask().findings[0].code == "ended"

    def test_the_meter_is_on_a_part_of_the_resource(self) -> None:
        disk = resource("vm-1-vda", type="instance_disk")
        store_batch(batch_of((disk, "disk.device.read.bytes", 1.0, now_us())))
        first = ask(meter="disk.device.read.bytes").findings[0]
        assert (first.code, first.evidence) == ("other_resource", ("vm-1-vda (instance_disk)",))

    def test_names_that_are_not_known(self) -> None:
        first = ask(meter="cpuu").findings[0]
        assert (first.code, first.evidence) == ("unknown_meter", ("names near it: cpu",))
        assert ask("vm-77").findings[0].code == "unknown_resource"

    def test_a_polling_file_names_what_no_pollster_has(self) -> None:
        said = "polling.yaml:4: source 'a': no pollster is cpux"
        chosen = {"selection": {"meters": ["cpu"], "unknown": [said]}}
        store_batch(batch_of(reports=[polled(chosen)]))
        first = ask(meter="cpux").findings[0]
        assert (first.code, first.evidence[0]) == ("unknown_meter", said)

    @pytest.mark.parametrize("asked", ["vm-1", "web", "uuid"])
    def test_the_resource_is_found_by_id_name_and_uuid(self, asked: str) -> None:
        asked = str(Resource.objects.get().uuid) if asked == "uuid" else asked
        found = [one for one in ask(asked).findings if one.code == "discovered"]
        assert "vm-1" in found[0].verdict


def test_what_a_real_agent_reports_is_understood(settings: Any) -> None:
    """This machine, polled by a file that leaves its uptime out."""
    settings.TELEMETRY_HOST = "h1"
    selected = PollingSource("a", 60, Selection(["hardware.cpu.*"]), place="polling.yaml:2")
    plan = ComputePlan([selected], [], ComputeSources(), 10)
    (planned,) = plan.due({60.0})
    builder = BatchBuilder("compute.h1", planned.accepts)
    run_poll(planned.source, builder, now_us(), planned.interval_s, planned.chosen)
    for batch in builder.batches():
        store_batch(batch)
    assert ask("h1", "hardware.cpu.util").has_data
    first = ask("h1", "hardware.uptime").findings[0]
    assert (first.code, str(first.weight)) == ("left_out", "cause")
    assert first.evidence == ("polling.yaml:2: source 'a' takes hardware.cpu.*",)


# --- who is told what -------------------------------------------------------------------------


@pytest.mark.usefixtures("stopped")
class TestWho:
    def test_a_member_is_told_of_the_own_resource_and_nothing_of_the_installation(self) -> None:
        answer = ask(who=MEMBER)
        assert answer.findings[0].code == "stopped"
        assert set(codes(answer)) == {"stopped", "ask_operator", "discovered", "kept"}
        assert "h1" not in str(answer)

    def test_an_administrators_token_without_the_scope_is_told_no_more(self) -> None:
        narrow = Principal("1", "op", is_admin=True, scopes=frozenset(["read"]))
        assert "ask_operator" in codes(ask(who=narrow))

    def test_anothers_resource_is_as_one_that_does_not_exist(self) -> None:
        theirs, none = ask(who=STRANGER), ask("vm-77", who=STRANGER)
        assert str(theirs).replace("vm-1", "vm-77") == str(none)

    def test_a_resource_that_moved_is_explained_to_both(self) -> None:
        store_batch(batch_of((vm(project_id="p2"), "memory", 1.0, now_us() + SECOND)))
        before, after = ask(who=MEMBER), ask(who=STRANGER)
        assert before.findings[0].code == "other_owner"
        assert codes(after)["owner"] == "clue"
        assert "p2" not in str(before)
        (metric,) = [one for one in after.findings if one.code == "no_samples"]
        assert "has no sample that is yours" in metric.verdict

    def test_what_a_tenant_posts_nobody_polls(self) -> None:
        posted = resource("sensor", project_id="p1")
        store_batch(batch_of((posted, "temperature", 1.0, now_us() - 2 * HOUR)), "p1")
        assert codes(ask("sensor", "temperature"))["posted"] == "clue"


def test_the_number_of_questions_to_the_database_does_not_grow() -> None:
    def asked(resources: int) -> int:
        now = now_us()
        for place in range(resources):
            one = resource(f"vm-{place}", metadata={"instance_host": f"h{place}"})
            rows = [(one, f"meter-{row}", 1.0, now) for row in range(resources)]
            store_batch(batch_of(*rows, agent_id=f"compute.h{place}", reports=[polled()]))
        with CaptureQueriesContext(
            connection,
        ) as seen:
            ask("vm-0", "meter-0")
        return len(seen)

    assert asked(2) == asked(12)


# --- page and command -------------------------------------------------------------------------


@pytest.fixture
def people() -> None:
    seed.users()


WHY = "/why?resource=vm-1&meter=cpu"


def own(project: str = seed.PROJECT) -> None:
    """`cpu` of vm-1, which is the member's, stopped two hours ago."""
    samples = (resource("vm-1", project_id=project), "cpu", 1.0, now_us() - 2 * HOUR)
    store_batch(batch_of(samples, reports=[polled(outcome="error", errors=["libvirt: away"])]))


@pytest.mark.usefixtures("people")
class TestPage:
    def test_without_a_question_it_is_a_form(self, member: Client) -> None:
        text = member.get(reverse("ui:why")).content.decode()
        assert 'name="resource"' in text
        assert "Name a resource and a meter." in text
        assert "how-to/no-data.md" in text

    def test_the_answer_is_whole_without_a_script(self, operator: Client) -> None:
        own()
        text = operator.get(WHY).content.decode()
        assert "libvirt: away" in text
        assert f"/sources/{Source.objects.get().pk}" in text
        assert "manage.py why vm-1 cpu" in text
        part = operator.get(WHY, headers={"HX-Request": "true"}).content.decode()
        assert "libvirt: away" in part
        assert "<html" not in part

    def test_a_member_sees_no_source_a_stranger_nothing(
        self, member: Client, stranger: Client
    ) -> None:
        own()
        text = member.get(WHY).content.decode()
        assert "No sample has come since" in text
        assert "libvirt" not in text
        text = stranger.get(WHY).content.decode()
        assert "has ever been measured, as far as you may see" in text

    @pytest.mark.parametrize(
        "query", ["resource=a&resource=b&meter=c", f"resource={'x' * 256}&meter=c", "meter=%00"]
    )
    def test_a_bad_question_is_a_400(self, member: Client, query: str) -> None:
        assert member.get(f"/why?{query}").status_code == 400

    def test_hostile_names_are_text(self, operator: Client) -> None:
        answer = operator.get("/why", {"resource": "<img src=x>", "meter": "'\"><script>"})
        assert answer.status_code == 200
        assert "<img" not in answer.content.decode()
        assert '<script>"' not in answer.content.decode()

    def test_the_pages_lead_to_it(self, operator: Client) -> None:
        own()
        metric = Metric.objects.get()
        for page in (
            f"/resources/{metric.resource.uuid}", "/meter?name=cpu", "/sources",
            f"/sources/{Source.objects.get().pk}", f"/plot?metric={metric.uuid}&range=1h",
        ):  # fmt: skip
            assert 'href="/why' in operator.get(page).content.decode(), page

    def test_the_source_page_shows_what_is_left_out(self, operator: Client) -> None:
        own()
        text = operator.get(f"/sources/{Source.objects.get().pk}").content.decode()
        assert "Left out by the polling file" in text
        assert "polling.yaml:2: source" in text


class TestCommand:
    def test_it_says_the_cause_first(self) -> None:
        own()
        first, empty, verdict, *rest = run("why", "vm-1", "cpu").splitlines()
        assert (first, empty) == ("cpu of vm-1", "")
        assert verdict.startswith("!! compute qemu:///system (agent compute.h1) can not be polled")
        assert any(line.startswith("     → ") for line in rest)
        assert max(map(len, [verdict, *rest])) <= 100

    def test_as_json_it_is_what_the_api_answers(self) -> None:
        own()
        found = json.loads(run("why", "vm-1", "cpu", "--format", "json"))
        assert found["answer"] == found["findings"][0]["verdict"]
        assert found["findings"][0]["code"] == "error"

    def test_without_a_cause_it_exits_with_1(self) -> None:
        own()
        Source.objects.update(outcome="ok", errors=[])
        with pytest.raises(SystemExit, match="1"):
            call_command("why", "vm-1", "cpu")

    @pytest.mark.parametrize("name", ["", "a\x00b", "x" * 256])
    def test_a_bad_name_is_refused(self, name: str) -> None:
        with pytest.raises(CommandError, match="resource: 1 to 255 printable"):
            call_command("why", name, "cpu")
