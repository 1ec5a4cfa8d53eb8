"""The web UI in Chromium, against a real web process."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from meters import wire
from meters.models import Event, Quarantine, Resource, Source
from pollers.batch import BatchBuilder
from telemetry_site.clock import now_us
from tests.browser import seed
from tests.browser.conftest import Witness
from tests.support.payloads import PAYLOADS

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]
NO_OVERFLOW = "document.documentElement.scrollWidth <= innerWidth"
INJECTED = "document.querySelectorAll('img, iframe, object, embed, script:not([src]), base').length"


def plot_of(*meters: tuple[str, wire.Resource], range_: str = "1h") -> str:
    chosen = "&".join(f"metric={seed.metric(*meter).uuid}" for meter in meters)
    return f"/plot?{chosen}&range={range_}"


def every_page() -> dict[str, str]:
    instance = Resource.objects.get(original_id=seed.instance(1).id)
    cpu = ("cpu", seed.instance(1))
    return {
        "overview": "/",
        "resources": "/resources",
        "resource": f"/resources/{instance.uuid}",
        "meters": "/meters",
        "meter": "/meter?name=cpu",
        "plot": plot_of(cpu, ("cpu", seed.instance(2)), ("memory.usage", seed.instance(1))),
        "plot-choose": "/plot",
        "events": "/events",
        "event": f"/events/{Event.objects.latest('pk').pk}",
        "sources": "/sources",
        "source": f"/sources/{Source.objects.filter(outcome='error').get().pk}",
        "storage": "/storage",
        "why-form": "/why",
        "why": f"/why?resource={instance.original_id}&meter=memory.resident",
        "quarantine": "/quarantine",
        "quarantine-item": f"/quarantine/{Quarantine.objects.latest('pk').pk}",
    }


def fit_their_width(page: Page, pages: dict[str, str], picture: str) -> None:
    """Pages by their name; `picture` is what the names of the pictures end with."""
    for name, address in pages.items():
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(NO_OVERFLOW), name
        take_picture(page, f"{name}-{picture}")


def take_picture(page: Page, name: str) -> None:
    """Only with TELEMETRY_PICTURES, a folder to look at."""
    if pictures := os.environ.get("TELEMETRY_PICTURES"):
        page.screenshot(path=Path(pictures) / f"{name}.png", full_page=True)


def poll_again(busy: float) -> None:
    builder = BatchBuilder("host-demo-host")
    builder.add(seed.HOST, "hardware.cpu.util", busy, now_us(), "%")
    seed.report(builder, "host", "demo-host", 0.1)
    seed.send(builder)


def test_numbers_change_without_a_reload(visitor: Visitor) -> None:
    page = visitor()
    page.evaluate("window.stillTheSame = true")
    figure = page.locator('[data-meter="hardware.cpu.util"] .figure')
    for busy, shown in ((77.125, "77.12"), (3.5, "3.5")):
        poll_again(busy)
        expect(figure).to_contain_text(shown, timeout=10_000)
    assert page.evaluate("window.stillTheSame") is True


def test_title_and_favicon_tell_the_problems(visitor: Visitor) -> None:
    page = visitor()
    expect(page).to_have_title(re.compile(r"^\(\d+\) Overview"))
    expect(page.locator("#favicon")).to_have_attribute("href", "/static/ui/favicon-error.svg")
    page.goto("/meters")
    Source.objects.all().delete()
    Quarantine.objects.update(state="discarded")
    page.evaluate("htmx.trigger(document.body, 'wake')")
    expect(page).to_have_title("Meters · Telemetry")
    expect(page.locator("#favicon")).to_have_attribute("href", "/static/ui/favicon-idle.svg")


def test_a_hidden_tab_asks_for_nothing(visitor: Visitor) -> None:
    page = visitor()
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(6_000)  # the overview refreshes every 5 s
    assert asked == []


def test_a_plot_is_opened_shared_zoomed_and_left_again(visitor: Visitor) -> None:
    page = visitor("member")
    page.goto("/resources")
    page.get_by_role("link", name="web-1").click()
    page.get_by_role("link", name="cpu", exact=True).click()
    expect(page.locator("#charts canvas")).to_be_visible()
    expect(page.locator('[data-cell="value"]')).to_contain_text("s/s")
    page.get_by_role("link", name="24h").click()
    expect(page.locator('#charts[data-url*="range=24h"]')).to_be_visible()
    page.locator("#aggregation").select_option("max")
    expect(page.locator('#charts[data-url*="aggregation=max"]')).to_be_visible()
    assert "aggregation=max" in page.url
    expect(page.locator('[data-note="granularity"]')).to_contain_text("raw points")
    page.locator("#granularity").select_option("300")
    expect(page.locator('[data-note="granularity"]')).to_contain_text("max per 5 min")

    other = visitor("operator")
    other.goto(page.url)
    expect(other.locator("#charts canvas")).to_be_visible()
    expect(other.locator('[data-note="granularity"]')).to_contain_text("max per 5 min")
    expect(other.locator("#range-24h")).to_have_attribute("aria-current", "true")

    before = other.url
    box = other.locator(".u-over").bounding_box()
    assert box is not None
    other.mouse.move(box["x"] + box["width"] * 0.93, box["y"] + 40)
    other.mouse.down()
    other.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 60, steps=5)
    other.mouse.up()
    other.wait_for_url(re.compile(r"start=.*Z&stop=.*Z"))
    expect(other.locator("#range-24h")).not_to_have_attribute("aria-current", "true")
    expect(other.locator("#charts canvas")).to_be_visible()
    other.go_back()
    other.wait_for_url(before)
    expect(other.locator("#charts canvas")).to_be_visible()


def test_a_plot_appends_what_arrives(visitor: Visitor) -> None:
    page = visitor()
    page.goto(plot_of(("hardware.cpu.util", seed.HOST)))
    last = page.locator('[data-cell="value"]')
    expect(last).to_contain_text("%")
    poll_again(88.25)
    expect(last).to_have_text("88.25 %", timeout=10_000)


def test_a_metric_is_added_by_search_and_taken_away(visitor: Visitor) -> None:
    page = visitor()
    page.goto("/plot")
    page.get_by_label("Search metrics").fill("memory.usage web-2")
    expect(page.locator("#offers a")).to_have_count(1)
    page.locator("#offers a").click()
    expect(page.locator("#charts .chart")).to_have_count(1)
    page.get_by_label("Search metrics").fill("load.1min")
    expect(page.locator("#offers a")).to_have_count(1)
    page.locator("#offers a").click()
    expect(page.locator("#charts .chart")).to_have_count(2)
    page.get_by_label("Remove memory.usage").click()
    expect(page.locator("#charts .chart")).to_have_count(1)
    expect(page.get_by_role("heading", name="hardware.cpu.load.1min")).to_be_visible()


def test_the_samples_of_a_plot_come_when_they_are_opened(visitor: Visitor) -> None:
    page = visitor("member")
    page.goto(plot_of(("cpu", seed.instance(1))))
    page.get_by_text("Samples", exact=True).click()
    expect(page.locator("#samples")).to_contain_text("samples of the range")
    assert page.locator("#samples tbody tr").count() > 10
    take_picture(page, "plot-samples")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of all samples").click()
    assert download.value.suggested_filename == "telemetry-samples.csv"


def test_events_of_a_resource_are_narrowed_condition_by_condition(visitor: Visitor) -> None:
    page = visitor("member")
    page.goto("/resources")
    page.get_by_role("link", name="web-1").click()
    page.get_by_role("link", name="All events").click()
    page.wait_for_url("**/events?resource=*")
    rows = page.locator("#live tbody tr")
    expect(rows).to_have_count(15)
    for place, (name, operator, value) in enumerate([("vcpus", "≥", "2"), ("disk_gb", "<", "20")]):
        if place:
            page.get_by_role("button", name="+ Condition").click()
        row = page.locator(".condition").nth(place)
        row.get_by_label("Trait", exact=True).fill(name)
        row.get_by_label("Operator").select_option(operator)
        row.get_by_label("Value").fill(value)
        page.wait_for_url(f"**value={value}*")
        expect(rows).to_have_count(0 if place else 15)
    take_picture(page, "events-conditions")
    page.reload()
    expect(page.locator(".condition").nth(1).get_by_label("Value")).to_have_value("20")
    page.locator(".condition").nth(1).get_by_label("Value").fill("21")
    expect(rows).to_have_count(15)
    page.get_by_label("From").fill("2020-01-01T00:00:00")
    page.get_by_label("To", exact=True).fill("2020-01-02T00:00:00")
    expect(page.get_by_text("No event fits the filter")).to_be_visible()


def test_a_filter_that_cannot_be_meant_says_so_until_it_can(
    visitor: Visitor, witness: Witness
) -> None:
    witness.expected = ("400",)
    page = visitor("member")
    page.goto("/events")
    page.get_by_label("Operator").select_option(">")
    page.get_by_label("Value").fill("2")
    expect(page.get_by_role("alert")).to_have_text("trait: which one is to be > 2?")
    page.get_by_label("Trait", exact=True).fill("vcpus")
    expect(page.get_by_text("No event fits the filter")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_an_empty_plot_says_why(visitor: Visitor) -> None:
    page = visitor()
    uuid = seed.metric("cpu", seed.instance(1)).uuid
    page.goto(f"/plot?metric={uuid}&start=2026-01-01&stop=2026-01-02")
    expect(page.locator(".charts-empty")).to_contain_text("No sample in this range. The newest")


def test_times_are_the_viewers_with_utc_on_hover(visitor: Visitor) -> None:
    page = visitor(timezone_id="Asia/Kolkata")
    page.goto(every_page()["event"])
    time = page.locator("time[data-at]").first
    expect(time).to_contain_text("GMT+5:30")
    expect(time).to_have_attribute("title", re.compile(r"UTC$"))
    page.goto(plot_of(("hardware.cpu.util", seed.HOST)))
    page.locator(".range-form summary").click()
    page.get_by_label("From").fill("2026-11-25T05:30:00")
    page.get_by_label("To", exact=True).fill("2026-11-25T06:30:00")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**start=2026-11-25T00%3A00%3A00.000Z&stop=2026-11-25T01%3A00%3A00.000Z**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_fits_its_width(visitor: Visitor, scheme: str, width: int) -> None:
    """With TELEMETRY_PICTURES set to a folder, pictures of all pages are left there to look at."""
    page = visitor(color_scheme=scheme, viewport={"width": width, "height": 860})
    fit_their_width(page, every_page(), f"{width}-{scheme}")


def test_pages_are_light_and_quick(visitor: Visitor) -> None:
    """S-5b: load event within a second, 300 kB at the most.

    The best of three visits counts: a slow page is slow each time, a busy machine is not.
    """
    page = visitor()
    for name, address in every_page().items():
        visits = [load(page, address) for _ in range(3)]
        assert min(loaded for loaded, _ in visits) <= 1_000, name
        assert max(size for _, size in visits) <= 300_000, name


def load(page: Page, address: str) -> list[float]:
    """[milliseconds to the load event, bytes of the page and all its parts]."""
    page.goto(address)
    page.wait_for_load_state("load")
    measured: list[float] = page.evaluate(
        """() => {
          const [page] = performance.getEntriesByType('navigation');
          const parts = performance.getEntriesByType('resource');
          const size = [page, ...parts].reduce((sum, part) => sum + part.decodedBodySize, 0);
          return [page.loadEventStart, size];
        }"""
    )
    return measured


def test_the_theme_is_kept(visitor: Visitor) -> None:
    page = visitor(color_scheme="light")
    page.locator("[data-theme-toggle]").click()
    page.goto("/meters")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    page = visitor()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.goto("/resources")
    page.get_by_role("link", name="web-2").focus()
    page.evaluate("htmx.trigger(document.body, 'wake')")
    page.wait_for_timeout(1_000)
    expect(page.get_by_role("link", name="web-2")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="web-2")).to_be_visible()


def test_the_admin_works_under_its_own_policy(visitor: Visitor) -> None:
    page = visitor()
    for address in (
        "/admin/",
        "/admin/meters/source/",
        "/admin/auth/user/",
        "/admin/telemetry_auth/membership/add/",
        "/admin/django_celery_beat/intervalschedule/add/",
    ):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        page.wait_for_load_state("networkidle")


# --- hostile text ----------------------------------------------------------------------------


def hostile_installation() -> None:
    """Each payload in each field: ids, types, owners, metadata, meters, units, events, sources."""
    now = now_us()
    builder = BatchBuilder(PAYLOADS[0])
    for place, text in enumerate(PAYLOADS):
        one = wire.Resource(text, text, text, text, {"display_name": text, "name": text}, text)
        builder.add(one, "cpu", float(place), now, text)
        builder.add(hostile_resource(), text, float(place), now, text, "cumulative")
        seed.report(builder, "compute", text, 2, outcome="error", errors=[text],
                    details={text[:200]: text})  # fmt: skip
        builder.reject("schema", text, f'{{"a": "{place}"}}'.encode(), source=text, path=text)
        trait = wire.Trait(text, "text", text)
        builder.event(wire.Event(f"{place}", text, now, [trait], {text: text}))
    seed.send(builder)
    seed.count_what_is_stored()


def hostile_resource() -> wire.Resource:
    return wire.Resource("hostile", metadata={text: text for text in PAYLOADS})


def hostile_pages() -> list[str]:
    hostile = Resource.objects.get(original_id="hostile")
    metrics = list(hostile.metrics.order_by("pk"))
    groups = [metrics[start : start + 12] for start in range(0, len(metrics), 12)]
    return [
        "/",
        "/resources",
        f"/resources/{hostile.uuid}",
        f"/resources/{Resource.objects.get(original_id=PAYLOADS[3]).uuid}",
        "/meters",
        "/meter?name=cpu",
        "/events",
        f"/events/{Event.objects.get(message_id='2').pk}",
        "/sources",
        "/storage",
        *(f"/why?{urlencode({'resource': one, 'meter': one})}" for one in PAYLOADS[:4]),
        f"/sources/{Source.objects.filter(name=PAYLOADS[2]).get().pk}",
        "/quarantine",
        f"/quarantine/{Quarantine.objects.get(detail=PAYLOADS[3]).pk}",
        *("/plot?" + "&".join(f"metric={metric.uuid}" for metric in group) for group in groups),
    ]


def test_hostile_text_is_text_on_every_page(visitor: Visitor, witness: Witness) -> None:
    hostile_installation()
    page = visitor(viewport={"width": 360, "height": 800})
    shown = set()
    for address in hostile_pages():
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(INJECTED) == 0, address
        assert page.evaluate(NO_OVERFLOW), address
        text = page.evaluate("document.body.textContent")
        shown |= {payload for payload in PAYLOADS if payload in text}
        assert witness.seen == [], address
    assert shown == set(PAYLOADS)
