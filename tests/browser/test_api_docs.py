"""Swagger UI in Chromium, under the site's own Content-Security-Policy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_the_docs_render_and_try_out_without_breaking_the_csp(
    visitor: Callable[..., Page],
) -> None:
    """The fixture `witness` fails on any CSP violation, console error or foreign request."""
    page = visitor("operator")
    page.goto("/api/docs")
    status = page.locator("#operations-status-status")
    expect(status).to_be_visible(timeout=20_000)
    schema = page.request.get("/api/schema", headers={"Accept": "application/json"}).json()
    operations = sum(len(methods) for methods in schema["paths"].values())
    expect(page.locator(".opblock")).to_have_count(operations)
    status.get_by_role("button").first.click()
    status.get_by_role("button", name="Try it out").click()
    status.get_by_role("button", name="Execute").click()
    expect(status.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(status.locator(".live-responses-table")).to_contain_text("installation")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / "api-docs.png"))


def test_a_post_from_the_docs_carries_the_csrf_token(visitor: Callable[..., Page]) -> None:
    page = visitor("operator")
    page.goto("/api/docs")
    made = page.locator("#operations-tokens-tokens_create")
    made.get_by_role("button").first.click(timeout=20_000)
    made.get_by_role("button", name="Try it out").click()
    made.locator("textarea").first.fill('{"name": "from the docs", "scopes": ["read"]}')
    made.get_by_role("button", name="Execute").click()
    expect(made.locator(".live-responses-table .response-col_status").last).to_contain_text("201")
