"""Receivers and routes in Chromium, at desk and in the hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from alarms.choices import ROUTE
from alarms.models import Destination, Notification, Receiver
from alarms.telling.grouping import tell
from tests.browser.test_alarm_pages import SIZES, have_sound_controls
from tests.browser.test_pages import fit_their_width
from tests.support.alarms import make_alarm
from tests.support.telling import go, make_receiver, make_route

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]


def every_page() -> dict[str, str]:
    """Receivers that were told, one that is left alone; a route that told two alarms."""
    one = make_receiver("operators", "https://8.8.8.8/a-secret-path", project_id=None)
    make_receiver("night-shift-of-the-second-floor", "https://8.8.4.4/", project_id=None)
    route = make_route(
        "receiver://operators", project_id=None, match={"name": "web-*", "severity": "low"},
        group_by=["severity", "metric"],
    )  # fmt: skip
    for name in ("web-1", "web-2"):
        go(make_alarm(name=name, project_id=None, alarm_actions=[ROUTE]))
    tell()
    message = Notification.objects.get(receiver_id=one.pk)
    Notification.objects.filter(pk=message.pk).update(
        status="dead", last_status=503, last_error="http_503", attempts=12
    )
    Destination.objects.create(
        key="https://8.8.8.8:443", failures=12, open_until="2199-01-01T00:00:00Z"
    )
    return {
        "receivers": "/receivers",
        "receiver-new": "/receivers/new",
        "receiver-edit": f"/receivers/{one.pk}/edit",
        "routes": "/routes",
        "route-new": "/routes/new",
        "route-edit": f"/routes/{route.pk}/edit",
        "notification-grouped": f"/notifications/{message.pk}",
        "notifications-grouped": "/notifications",
    }


@pytest.mark.parametrize(("size", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_every_page_fits_its_width_and_its_controls_have_names(
    visitor: Visitor, scheme: str, size: str
) -> None:
    page = visitor(color_scheme=scheme, viewport=SIZES[size])
    pages = {"receivers-none": "/receivers", "routes-none": "/routes"}
    fit_their_width(page, pages, f"{size}-{scheme}")
    pages = every_page()
    fit_their_width(page, pages, f"{size}-{scheme}")
    have_sound_controls(page, pages)


def test_a_receiver_is_made_and_tried_by_hand(visitor: Visitor) -> None:
    page = visitor()
    page.goto("/receivers")
    page.locator("#live").get_by_role("link", name="New receiver").click()
    page.get_by_label("Name").fill("operators")
    page.get_by_label("Address").fill("log://")
    page.get_by_role("button", name="Make the receiver").click()
    expect(page.get_by_text("receiver://operators").first).to_be_visible()
    page.get_by_role("button", name="Send a test to operators").click()
    expect(page.get_by_role("heading", name="Test of operators")).to_be_visible()
    assert Notification.objects.get().receiver_id == Receiver.objects.get().pk
