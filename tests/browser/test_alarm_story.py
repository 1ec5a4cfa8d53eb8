"""The whole way on a running house: a poll, an alarm, its turn, what the receiver answers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from telemetry_site import paths
from tests.acceptance.house import RunningHouse
from tests.browser.conftest import WATCH_CSP, Witness
from tests.browser.test_pages import NO_OVERFLOW
from tests.support.ports import free_port

pytestmark = pytest.mark.browser
TURNS_WITHIN_MS = 40_000
SIZES = {"desk": (1280, 860), "phone": (390, 844)}
HASTE = {"TELEMETRY_POLL_INTERVAL": "2", "TELEMETRY_EVALUATION_TICK": "1"}


@pytest.fixture
def receiver_port() -> int:
    return free_port()


@pytest.fixture
def house(receiver_port: int) -> Iterator[RunningHouse]:
    base = Path(tempfile.mkdtemp(prefix="story-"))  # short: unix sockets must fit into it
    running = RunningHouse(
        base / "home", TELEMETRY_WEBHOOK_ALLOW=f"127.0.0.1:{receiver_port}", **HASTE
    )
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.text()
    assert running.left(5) == []
    shutil.rmtree(base)


@pytest.fixture
def receiver(house: RunningHouse, receiver_port: int) -> Iterator[str]:
    """The product's own; it answers 500 to the first two attempts at each message."""
    command = ["webhook_receiver", "--port", str(receiver_port), "--fail", "2"]
    process = subprocess.Popen(
        [sys.executable, str(paths.ROOT / "manage.py"), *command],
        env=house.env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "Listening" in process.stdout.readline()
    yield f"http://localhost:{receiver_port}/hook"
    process.terminate()
    said, _ = process.communicate(timeout=20)
    assert re.search(r"ok → alarm .*answer 500.*ok → alarm .*answer 200", said, re.DOTALL), said


@pytest.mark.timeout(240)
def test_an_alarm_turns_and_its_receivers_500_and_the_retry_are_on_its_page(
    house: RunningHouse, receiver: str, chromium: Browser, tmp_path: Path
) -> None:
    witness = Witness(f"http://127.0.0.1:{house.port}")
    pages = {size: signed_in(chromium, house, witness, size) for size in SIZES}
    desk = pages["desk"]
    make_alarm_on_load(desk, receiver, threshold="100000")
    pages["phone"].goto(desk.url)
    for page in pages.values():
        turns_to(page, "Ok")

    desk.get_by_role("link", name="Edit").click()
    desk.get_by_label("Threshold").fill("-1")
    desk.get_by_role("button", name="Save").click()
    for page in pages.values():
        turns_to(page, "Alarm")
    for says in (re.compile(r"pending\s+HTTP 500"), re.compile(r"delivered\s+HTTP 200")):
        for size, page in pages.items():
            message = page.locator("section", has_text="Notifications").filter(has_text="Status")
            expect(message).to_contain_text(says, timeout=TURNS_WITHIN_MS)
            assert page.evaluate(NO_OVERFLOW)
            page.screenshot(path=tmp_path / f"{says.pattern[:7]}-{size}.png", full_page=True)
    assert witness.seen == []


def signed_in(chromium: Browser, house: RunningHouse, witness: Witness, size: str) -> Page:
    width, height = SIZES[size]
    viewport: Any = {"width": width, "height": height}
    context = chromium.new_context(base_url=witness.origin, viewport=viewport)
    context.add_init_script(WATCH_CSP)
    page = context.new_page()
    witness.watch(page)
    page.goto("/login/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(house.password() or "")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{witness.origin}/")
    return page


def make_alarm_on_load(page: Page, receiver: str, threshold: str) -> None:
    """By the form, on this machine's own load."""
    found = page.get_by_text("hardware.cpu.load.1min").first
    page.goto("/alarms/new")
    expect(found).to_be_visible(timeout=TURNS_WITHIN_MS)
    found.click()
    page.get_by_label("Threshold").fill(threshold)
    page.get_by_label("Length of a period, s").fill("5")
    page.get_by_label("When it goes to alarm").fill(receiver)
    expect(page.get_by_text("Now it would be")).to_be_visible(timeout=TURNS_WITHIN_MS)
    page.get_by_role("button", name="Make the alarm").click()
    page.wait_for_url(re.compile(r"/alarms/[0-9a-f-]{36}$"))


def turns_to(page: Page, state: str) -> None:
    """The page moves by itself; nobody reloads it."""
    expect(page.locator("#live .banner-title")).to_contain_text(state, timeout=TURNS_WITHIN_MS)
