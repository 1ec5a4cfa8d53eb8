"""A real web process, a real Chromium, and a witness of everything that must not happen."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import global_settings
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.browser import seed
from tests.integration.conftest import fresh_store  # noqa: F401 - a fixture
from tests.support.web import running_web

# Playwright keeps an event loop in this thread; the ORM is used beside it, not in it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
CLOSE_WITHIN_S = 15.0
CHROMIUM = shutil.which("chromium") or ""
SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
WATCH_CSP = """
document.addEventListener('securitypolicyviolation', (event) =>
  console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Witness:
    """What a page must not do: complain, open a dialog, break the CSP, ask another origin."""

    origin: str
    seen: list[str] = field(default_factory=list)
    #: Statuses of documents that a test asks for on purpose.
    expected: tuple[str, ...] = ()

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        known = any(part in message.text for part in self.expected)
        if message.type in ("error", "warning") and not known:
            self.seen.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.seen.append(f"off-origin request: {request.url}")

    def _dialog(self, dialog: Any) -> None:
        self.seen.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as running:
        yield running


@pytest.fixture
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A browser of the test's own.

    Closing a context hung now and then on a busy machine (Chromium 156, Playwright 1.65), for ever
    and long after the test was done. So the browser is ended with it, by force after a while.
    """
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
    yield browser
    watchdog = threading.Timer(CLOSE_WITHIN_S, end_our_browsers)
    watchdog.start()
    try:
        browser.close()
    except PlaywrightError as error:
        print(f"Chromium was ended by force: {error}")
    finally:
        watchdog.cancel()
        watchdog.join()


def end_our_browsers() -> None:
    """Kill the Chromium processes that this test process has started."""
    for child in psutil.Process().children(recursive=True):
        if child.name().startswith("chrom"):
            child.kill()


@pytest.fixture
def site(
    fresh_store: None,  # noqa: F811
    process_env: Callable[..., dict[str, str]],
    tmp_path: Path,
    settings: Any,
) -> Iterator[str]:
    """The address of a web process on a seeded installation."""
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # one that the process knows
    seed.users()
    seed.seed(instances=3, hours=2)
    with running_web(process_env, tmp_path / "web.log") as address:
        yield address


@pytest.fixture
def witness(site: str) -> Iterator[Witness]:
    seen = Witness(site)
    yield seen
    assert seen.seen == []


@pytest.fixture
def visitor(chromium: Browser, site: str, witness: Witness) -> Callable[..., Page]:
    """`visitor(name, **context)` → a page of a new browser session, signed in."""

    def sign_in(name: str = "operator", **options: Any) -> Page:
        context = chromium.new_context(base_url=site, **options)
        context.add_init_script(WATCH_CSP)
        page = context.new_page()
        witness.watch(page)
        page.goto("/login/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{site}/")
        return page

    return sign_in
