"""Silences, acknowledgements, bulk actions and history in Chromium, at desk and in the hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from alarms import lifecycle
from alarms.models import Alarm, AlarmAck, Silence
from alarms.muting import acks
from tests.browser import seed
from tests.browser.test_alarm_pages import SIZES, group_alarm, have_sound_controls, host_alarm
from tests.browser.test_pages import INJECTED, fit_their_width
from tests.support.alarms import make_alarm, threshold
from tests.support.muting import end, make_inhibition, make_silence, matcher
from tests.support.payloads import PAYLOADS

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]


def firing(alarm: Alarm) -> Alarm:
    return lifecycle.set_state(alarm, "alarm", "u1")


def every_page() -> dict[str, str]:
    """Silences of each state, an alarm that is silenced and acknowledged."""
    alarm = firing(host_alarm())
    firing(group_alarm())
    acks.acknowledge(alarm, acks.Asked("The disk is being changed.", None), "1", "operator")
    make_silence(matcher("alarm_id", str(alarm.pk)), project_id=None)
    make_silence(matcher("name", "Memory.*", isRegex=True), project_id=seed.PROJECT, in_hours=2)
    old = make_silence(matcher("metric", "hardware.cpu.util"), project_id=None)
    end(old)
    rule = make_inhibition(
        matcher("severity", "critical"), matcher("name", "web.*", isRegex=True), "metric"
    )
    lifecycle.delete(make_alarm(threshold("gone"), None, name="An old one"), "1")
    return {
        "alarms-marked": "/alarms",
        "alarm-quiet": f"/alarms/{alarm.pk}",
        "silences": "/silences",
        "silences-pending": "/silences?state=pending",
        "silences-expired": "/silences?state=expired",
        "silence-new": "/silences/new",
        "silence-of-alarm": f"/silences/new?alarm={alarm.pk}",
        "silence-again": f"/silences/new?like={old.pk}",
        "inhibitions": "/inhibitions",
        "inhibition-edit": f"/inhibitions/{rule.pk}/edit",
        "history": "/history",
        "history-one": f"/history?alarm={alarm.pk}",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_its_width(visitor: Visitor, scheme: str, size: str) -> None:
    page = visitor(color_scheme=scheme, viewport=SIZES[size])
    fit_their_width(page, every_page(), f"{size}-{scheme}")


@pytest.mark.parametrize("size", SIZES)
def test_every_control_has_a_name_and_every_id_is_one(visitor: Visitor, size: str) -> None:
    page = visitor(viewport=SIZES[size])
    have_sound_controls(page, every_page())


def test_empty_pages_say_what_to_do_next(visitor: Visitor) -> None:
    page = visitor(viewport=SIZES["phone"])
    pages = {"silences-none": "/silences", "history-none": "/history"}
    fit_their_width(page, pages, "phone-light")
    page.goto("/silences")
    page.locator("#live").get_by_role("link", name="New silence").click()
    expect(page.get_by_role("heading", name="New silence")).to_be_visible()


def test_at_three_in_the_morning_an_hours_silence_is_one_tap_away(visitor: Visitor) -> None:
    alarm = firing(host_alarm())
    page = visitor(viewport=SIZES["phone"])
    page.goto(f"/alarms/{alarm.pk}")
    page.get_by_role("button", name="Silence 1 h").click()
    expect(page.get_by_role("status")).to_contain_text("Silenced")
    expect(page.locator("#live")).to_contain_text("Silenced by operator until")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#live")).to_contain_text("Acknowledged by operator")
    page.get_by_role("button", name="Take back").click()
    expect(page.locator("#live")).not_to_contain_text("Acknowledged by operator")
    page.get_by_role("button", name="End silence").click()
    expect(page.get_by_role("status")).to_contain_text("ended")
    expect(page.locator("#live")).to_contain_text("Silences and acknowledgements before")
    assert (Silence.objects.get().state, AlarmAck.objects.count()) == ("expired", 1)


@pytest.mark.parametrize("size", SIZES)
def test_a_silence_is_made_with_a_live_preview(visitor: Visitor, size: str) -> None:
    group_alarm()
    page = visitor("member", viewport=SIZES[size])
    page.goto("/silences")
    page.locator("#live").get_by_role("link", name="New silence").click()
    page.get_by_label("Conditions").fill("name =~ Disk.*")
    expect(page.locator("#preview")).to_contain_text("No alarm fits now")
    page.get_by_label("Conditions").fill('name =~ "Memory.*"\nseverity = low')
    expect(page.locator("#preview")).to_contain_text("1 alarm")
    expect(page.locator("#preview")).to_contain_text("Memory of the web tier")
    page.get_by_label("Conditions").fill('name =~ "Memory.*"\nseverity')
    expect(page.locator("#preview")).to_contain_text("Line 2 is not like")
    page.get_by_label("Conditions").fill('name =~ "Memory.*"')
    page.get_by_label("4 h").check()
    page.get_by_label("Comment").fill("New disks.")
    page.get_by_role("button", name="Silence them").click()
    expect(page.get_by_role("status")).to_contain_text("is made")
    expect(page.locator("#live")).to_contain_text('name=~"Memory.*"')
    silence = Silence.objects.get()
    assert (silence.ends_at - silence.starts_at).total_seconds() == pytest.approx(14_400, abs=60)
    page.get_by_role("button", name="End the silence").click()
    expect(page.locator("#live")).to_contain_text("Nothing is silenced")
    page.get_by_role("link", name="Expired 1").click()
    page.get_by_role("link", name="Recreate").click()
    expect(page.get_by_label("Conditions")).to_have_value('name=~"Memory.*"')
    expect(page.get_by_label("Comment")).to_have_value("New disks.")


def test_a_time_of_ones_own_is_sent_in_utc(visitor: Visitor) -> None:
    page = visitor(timezone_id="America/New_York")
    page.goto("/silences/new")
    page.get_by_label("Conditions").fill("severity = low")
    page.get_by_label("until", exact=True).check()
    page.get_by_label("Until when").fill("2198-06-01T12:00:00")
    page.get_by_label("Comment").fill("long")
    page.get_by_role("button", name="Silence them").click()
    page.wait_for_url("**/silences")
    assert Silence.objects.get().ends_at.isoformat() == "2198-06-01T16:00:00+00:00"


def test_a_silence_is_made_without_a_script(visitor: Visitor) -> None:
    group_alarm()
    page = visitor("member", java_script_enabled=False, viewport=SIZES["phone"])
    page.goto("/silences/new")
    page.get_by_label("Conditions").fill("metric = memory.usage")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("Memory of the web tier")
    page.get_by_label("Comment").fill("no script")
    page.get_by_role("button", name="Silence them").click()
    expect(page.get_by_role("status")).to_contain_text("is made")


@pytest.mark.parametrize("size", SIZES)
def test_alarms_are_chosen_by_keyboard_and_things_are_done_to_them(
    visitor: Visitor, size: str
) -> None:
    firing(host_alarm())
    firing(group_alarm())
    page = visitor(viewport=SIZES[size])
    page.goto("/alarms")
    box = page.get_by_label("Choose CPU of demo-host")
    box.focus()
    page.keyboard.press("Space")
    page.wait_for_timeout(6_000)  # a refresh comes by, and leaves what is chosen
    expect(box).to_be_checked()
    page.get_by_role("button", name="Disable").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("1 disabled.")
    page.get_by_label("All on this page").check()
    page.get_by_label("Comment").fill("we know")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_contain_text("2 acknowledged.")
    expect(page.locator("#live .badge", has_text="acked")).to_have_count(2)
    page.get_by_label("All on this page").check()
    page.get_by_label("Comment").fill("works")
    page.get_by_role("button", name="Silence").click()
    expect(page.locator("#live .badge", has_text="silenced")).to_have_count(2)
    assert Silence.objects.count() == 2


def test_hostile_text_is_text(visitor: Visitor) -> None:
    alarm = firing(host_alarm())
    for text in PAYLOADS[::4]:
        silence = make_silence(matcher("alarm_id", str(alarm.pk)), project_id=None)
        Silence.objects.filter(pk=silence.pk).update(
            comment=text, created_by=text[:255] or "x",
            matchers=[*silence.matchers, matcher("name", text[:255], isEqual=False)],
        )  # fmt: skip
        acks.acknowledge(alarm, acks.Asked(text, None), "1", text[:255] or "x")
    page = visitor(viewport={"width": 360, "height": 800})
    for address in ("/silences", "/alarms", f"/alarms/{alarm.pk}", "/history"):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(INJECTED) == 0, address
