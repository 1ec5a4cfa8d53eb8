"""Alarms and notifications in Chromium, at desk and in the hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from alarms import outbox
from alarms.choices import State
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm, Notification, NotificationAttempt
from alarms.notifier.delivery import send_due
from telemetry_site.clock import now
from telemetry_site.settings.allowances import parse_allowance
from tests.browser import seed
from tests.browser.conftest import Witness
from tests.browser.test_pages import (
    INJECTED,
    NO_OVERFLOW,
    fit_their_width,
    load,
    poll_again,
    take_picture,
)
from tests.support.alarms import group, make_alarm, threshold
from tests.support.payloads import PAYLOADS
from tests.support.webhooks import answering, receiver

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]
SIZES = {"desk": {"width": 1280, "height": 860}, "phone": {"width": 390, "height": 844}}
CANVAS = "#charts canvas"
#: Controls that a screen reader could only call "button", "edit" or "link".
NAMELESS = """
[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a')]
  .filter((one) => !(one.ariaLabel || one.title
    || (one.matches('a, button') && one.textContent.trim())
    || [...one.labels || []].some((label) => label.textContent.trim())))
  .map((one) => one.outerHTML)"""
TWICE = """[...document.querySelectorAll('[id]')].map((one) => one.id)
  .filter((id, place, all) => all.indexOf(id) !== place)"""
#: Whether the canvas has a pixel of about this colour.
HAS_COLOR = """([color, near]) => {
  const canvas = document.querySelector('#charts canvas');
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const paper = copy.getContext('2d', { willReadFrequently: true });
  paper.drawImage(canvas, 0, 0);
  const { data } = paper.getImageData(0, 0, copy.width, copy.height);
  const probe = document.createElement('i');
  probe.style.color = getComputedStyle(document.documentElement).getPropertyValue(color);
  document.body.append(probe);
  const wanted = getComputedStyle(probe).color.match(/[0-9]+/g).map(Number);
  probe.remove();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200 && wanted.every((v, n) => Math.abs(v - data[i + n]) < near)) return true;
  }
  return false;
}"""


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]


def host_alarm(**fields: Any) -> Alarm:
    """Of the highest value: a mean would depend on how many samples its minute has by now."""
    above = fields.pop("above", 30.0)
    rule = threshold(
        "demo-host", metric="hardware.cpu.util", threshold=above, aggregation_method="max"
    )
    fields.setdefault("name", "CPU of demo-host")
    return make_alarm(rule, None, **fields)


def group_alarm(**fields: Any) -> Alarm:
    query = '{"like": {"display_name": "web-%"}}'
    rule = group(query, metric="memory.usage", threshold=1e6, evaluation_periods=3)
    return make_alarm(rule, seed.PROJECT, **{"name": "Memory of the web tier"} | fields)


def have_sound_controls(page: Page, pages: dict[str, str]) -> None:
    """Every control has a name, and every id is one."""
    for name, address in pages.items():
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(NAMELESS) == [], name
        assert page.evaluate(TWICE) == [], name


def every_page() -> dict[str, str]:
    """One alarm whose receiver answers 500, one of a group, one that can't be evaluated."""
    with receiver(answering(500, body='{"error": "the pager is out of paper"}')) as there:
        alarm = host_alarm(
            alarm_actions=[there.url("/very/secret")], ok_actions=["log://"],
            severity="critical", description="Above 30 % a build is stuck.",
        )  # fmt: skip
        poll_again(88.0)
        evaluate_due()
        send_due()
    row = Notification.objects.get()
    assert row.last_status == 500
    tier = group_alarm(alarm_actions=["https://8.8.8.8/hook"])
    broken = make_alarm(threshold("gone"), seed.PROJECT, name="Unreadable", severity="moderate")
    make_alarm(threshold("vm-9"), seed.PROJECT, name="Switched off", enabled=False)
    evaluate_due()
    Alarm.objects.filter(pk=broken.pk).update(evaluation_error="rule.query: is not JSON")
    metric = seed.metric("hardware.cpu.util")
    return {
        "overview": "/",
        "alarms": "/alarms",
        "alarm": f"/alarms/{alarm.pk}",
        "alarm-group": f"/alarms/{tier.pk}",
        "alarm-broken": f"/alarms/{broken.pk}",
        "alarm-edit": f"/alarms/{alarm.pk}/edit",
        "alarm-edit-group": f"/alarms/{tier.pk}/edit",
        "alarm-delete": f"/alarms/{alarm.pk}/delete",
        "alarm-new": "/alarms/new",
        "alarm-new-on": f"/alarms/new?resource={metric.resource.uuid}&meter={metric.name}",
        "notifications": "/notifications",
        "notification": f"/notifications/{row.pk}",
        "plot": f"/plot?metric={metric.uuid}",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_its_width(visitor: Visitor, scheme: str, size: str) -> None:
    """With TELEMETRY_PICTURES set to a folder, pictures of all pages are left there to look at."""
    page = visitor(color_scheme=scheme, viewport=SIZES[size])
    fit_their_width(page, every_page(), f"{size}-{scheme}")


def test_the_admin_shows_alarms_and_messages(visitor: Visitor) -> None:
    row = Notification.objects.get(pk=every_page()["notification"].rsplit("/")[-1])
    page = visitor(viewport=SIZES["desk"])
    for name, pk in (("alarm", row.alarm_id), ("notification", row.pk)):
        for part in ("", f"{pk}/change/"):
            answer = page.goto(f"/admin/alarms/{name}/{part}")
            assert answer is not None
            assert answer.status == 200, (name, part)
            page.wait_for_load_state("networkidle")
            assert "very/secret" not in page.content()
            take_picture(page, f"admin-{name}-{'one' if part else 'list'}")


def test_pages_are_light_and_quick(visitor: Visitor) -> None:
    """As of the other pages: the best of three visits counts."""
    page = visitor()
    for name, address in every_page().items():
        visits = [load(page, address) for _ in range(3)]
        assert min(loaded for loaded, _ in visits) <= 1_000, name
        assert max(size for _, size in visits) <= 300_000, name


@pytest.mark.parametrize("size", SIZES)
def test_an_alarm_is_made_with_a_live_preview_and_seen_to_turn(visitor: Visitor, size: str) -> None:
    page = visitor(viewport=SIZES[size])
    page.goto(f"/plot?metric={seed.metric('hardware.cpu.util').uuid}")
    page.get_by_role("link", name="Alarm on this").click()
    expect(page.get_by_label("Resource", exact=True)).to_have_value("demo-host")
    expect(page.locator(CANVAS)).to_be_visible()
    expect(page.locator("#preview")).to_contain_text("Give a threshold")
    page.get_by_label("Threshold").fill("0.5")
    expect(page.locator("#preview")).to_contain_text("Now it would be alarm")
    expect(page.locator("#preview")).to_contain_text("gone to alarm 1 time.")
    page.wait_for_function(HAS_COLOR, arg=["--error-dot", 12])
    page.get_by_label("Threshold").fill("99")
    expect(page.locator("#preview")).to_contain_text("Now it would be ok")
    expect(page.locator("#preview")).to_contain_text("gone to alarm 0 times")
    page.get_by_label("Threshold").fill("x")
    expect(page.locator("#preview")).to_contain_text("Threshold: Give a number.")
    page.get_by_label("Threshold").fill("85")
    expect(page.locator("#preview")).to_contain_text("above 85")
    page.get_by_label("Value").select_option("max")
    expect(page.locator("#preview")).to_contain_text("Max of hardware.cpu.util")
    page.get_by_label("When it goes to alarm").fill("log://")
    page.get_by_role("textbox", name="Name").fill("CPU is busy")
    page.get_by_role("button", name="Make the alarm").click()
    page.wait_for_url(re.compile(r"/alarms/[0-9a-f-]{36}$"))
    expect(page.locator("#live .banner-title")).to_contain_text("Insufficient data")
    expect(page.locator(CANVAS)).to_be_visible()
    evaluate_due()
    expect(page.locator("#live .banner-title")).to_contain_text("Ok", timeout=10_000)
    poll_again(100.0)
    Alarm.objects.update(evaluate_at=now())
    evaluate_due()
    expect(page.locator("#live .banner-title")).to_contain_text("Alarm", timeout=10_000)
    expect(page).to_have_title(re.compile(r"^\(\d+\) CPU is busy"), timeout=20_000)
    expect(page.locator("#live")).to_contain_text("ok → alarm")
    send_due()
    expect(page.locator("#live .badge").filter(has_text="delivered")).to_have_count(
        1, timeout=10_000
    )
    expect(page.locator(CANVAS)).to_be_visible()
    page.goto("/alarms")
    row = page.get_by_role("row", name="CPU is busy")
    expect(row).to_contain_text("alarm")
    expect(row).to_contain_text("Max of hardware.cpu.util of resource demo-host above 85")
    page.goto("/")
    expect(page.locator("#live")).to_contain_text("CPU is busy")


def test_a_group_is_chosen_by_lines_and_the_other_fields_give_way(visitor: Visitor) -> None:
    page = visitor("member")
    page.goto("/alarms/new")
    page.get_by_label("Search metrics").fill("memory web-1")
    expect(page.locator("#offers a")).to_have_count(1)
    page.locator("#offers a").click()
    expect(page.get_by_label("Meter", exact=True)).to_have_value("memory.usage")
    page.get_by_label("Threshold").fill("1")
    expect(page.locator("#preview")).to_contain_text("on 1 metric")
    page.get_by_label("A group of resources").check()
    expect(page.get_by_label("Resource", exact=True)).to_be_hidden()
    expect(page.locator("#preview")).to_contain_text("on 3 metrics")
    page.get_by_label("Which resources").fill("display_name = web-2")
    expect(page.locator("#preview")).to_contain_text("on 1 metric")
    page.get_by_label("Which resources").fill("nonsense")
    expect(page.locator("#preview")).to_contain_text("Which resources: Line 1 is not like")


def test_each_type_shows_its_own_fields_and_preview(visitor: Visitor) -> None:
    page = visitor("member")
    page.goto("/alarms/new")
    page.get_by_label("An event").check()
    expect(page.locator("#preview")).to_contain_text("90 of last week's 90 events")
    expect(page.get_by_label("Threshold", exact=True)).to_be_hidden()
    page.get_by_label("Only where").fill("traits.state = nonsense")
    expect(page.locator("#preview")).to_contain_text("0 of last week's 90 events")
    page.get_by_label("A PromQL expression").check()
    page.locator("[name=expression]").fill("sum(rate(cpu[5m])) / 1e9")
    page.get_by_label("Threshold", exact=True).fill("1")
    expect(page.locator("#preview")).to_contain_text("Now it would be")
    expect(page.get_by_label("Periods in a row")).to_be_hidden()
    page.get_by_label("Several conditions").check()
    page.locator("[name=document]").fill("or:\n- type: prometheus\n  query: cpu\n  threshold: x")
    expect(page.locator("#preview")).to_contain_text("Conditions: Rule.or[0].threshold: Expected")
    page.locator("[name=document]").fill("or:\n- type: prometheus\n  query: cpu\n  threshold: 5")
    expect(page.locator("#preview")).to_contain_text("Cpu equal to 5")


def test_errors_stand_beside_their_fields(visitor: Visitor, witness: Witness) -> None:
    witness.expected = ("422",)
    page = visitor()
    page.goto("/alarms/new?resource=demo-host&meter=hardware.cpu.util")
    page.get_by_label("When it goes to ok").fill("https://8.8.8.8/\nftp://x")
    page.get_by_role("button", name="Make the alarm").click()
    expect(page.get_by_role("alert")).to_contain_text("2 fields need another look")
    field = page.get_by_label("Threshold")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#threshold-error")).to_have_text("Give a number.")
    expect(page.locator("#ok_actions-error")).to_contain_text("Line 2: must begin with one of")
    assert not Alarm.objects.exists()


def test_an_alarm_is_made_without_a_script(visitor: Visitor) -> None:
    page = visitor(java_script_enabled=False, viewport=SIZES["phone"])
    page.goto("/alarms/new?resource=demo-host&meter=hardware.cpu.util")
    page.get_by_label("Threshold").fill("0.5")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("Now it would be alarm")
    expect(page.get_by_label("Threshold")).to_have_value("0.5")
    page.get_by_role("button", name="Make the alarm").click()
    expect(page.get_by_role("heading", name="hardware.cpu.util of demo-host")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_contain_text("is deleted")


def test_a_test_is_sent_seen_to_fail_and_arrives_when_tried_again(visitor: Visitor) -> None:
    with receiver(answering(500, 500, 200, body="out of paper")) as there:
        alarm = host_alarm(alarm_actions=[there.url()])
        page = visitor()
        page.goto(f"/alarms/{alarm.pk}")
        page.get_by_role("button", name="Send a test to the receivers of alarm").click()
        page.wait_for_url("**/notifications/*")
        live = page.locator("#live")
        status = page.locator("#live .badge").first
        expect(live).to_contain_text("It has not been tried yet.")
        send_due()
        expect(live).to_contain_text("HTTP 500", timeout=8_000)
        expect(live).to_contain_text("out of paper")
        expect(live).to_contain_text(re.compile(r"next try (in \d|now)"))
        page.get_by_role("button", name="Try now").click()
        expect(page.get_by_role("status")).to_contain_text("tried again")
        send_due()
        expect(live).to_contain_text("attempt 2", timeout=8_000)
        page.get_by_role("button", name="Cancel").click()
        expect(status).to_have_text("cancelled")
        page.get_by_role("button", name="Retry").click()
        expect(status).to_have_text("pending")
        send_due()
        expect(status).to_have_text("delivered", timeout=8_000)
        expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    assert [request.headers["x-alarm-test"] for request in there.requests] == ["true"] * 3


@pytest.mark.parametrize("size", SIZES)
def test_every_control_has_a_name_and_every_id_is_one(visitor: Visitor, size: str) -> None:
    page = visitor(viewport=SIZES[size])
    have_sound_controls(page, every_page())


def test_the_list_moves_by_itself_and_filters_in_place(visitor: Visitor) -> None:
    host_alarm()
    group_alarm()
    page = visitor()
    page.goto("/alarms")
    expect(page.locator("#live tbody tr")).to_have_count(2)
    page.get_by_label("State").select_option("alarm")
    expect(page.locator("#live")).to_contain_text("No alarm fits the filter")
    assert "state=alarm" in page.url
    Alarm.objects.filter(name="CPU of demo-host").update(state="alarm")
    expect(page.locator("#live tbody tr")).to_have_count(1, timeout=8_000)


def test_a_plot_of_an_alarm_goes_on_with_its_data(visitor: Visitor) -> None:
    """It is redrawn from each answer, without a complaint (`offline` says that drawing failed)."""
    alarm = host_alarm()
    page = visitor()
    page.goto(f"/alarms/{alarm.pk}")
    expect(page.locator(CANVAS)).to_be_visible()
    with page.expect_response(re.compile("/data")):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function(HAS_COLOR, arg=["--error-dot", 12])
    assert page.locator("body.offline").count() == 0


def hostile_alarm(text: str) -> tuple[Alarm, Notification]:
    """A payload in each field that somebody else may have filled."""
    name = text[:255].strip() or "blank"
    alarm = make_alarm(threshold(name), None, description=text, alarm_actions=["log://"])
    Alarm.objects.filter(pk=alarm.pk).update(
        name=name, state="alarm", state_reason=text, evaluation_error=text
    )
    alarm.refresh_from_db()
    [row] = outbox.send_test(alarm, State.ALARM, "operator")
    NotificationAttempt.objects.create(
        notification=row, number=1, started_at=now(), duration_s=0.2, error="timeout", answer=text
    )
    return alarm, row


def test_hostile_text_is_text_on_every_page(visitor: Visitor, witness: Witness) -> None:
    rows = [hostile_alarm(text) for text in PAYLOADS]
    page = visitor(viewport={"width": 360, "height": 800})
    addresses = ["/", "/alarms", "/notifications"]
    for alarm, row in rows[::5]:
        addresses += [f"/alarms/{alarm.pk}", f"/alarms/{alarm.pk}/edit", f"/notifications/{row.pk}"]
    shown = set()
    for address in addresses:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(INJECTED) == 0, address
        assert page.evaluate(NO_OVERFLOW), address
        content = page.evaluate("document.body.textContent")
        shown |= {payload for payload in PAYLOADS if payload in content}
        assert witness.seen == [], address
    assert shown == set(PAYLOADS)
