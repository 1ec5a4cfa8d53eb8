"""What Grafana's gnocchi data source asks (metric-api.md 21.5), from a page of another origin.

Neither Grafana nor the plugin comes in a package, so the requests are made here as it makes them,
by Chromium, whose rules for foreign origins they must pass.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import Browser, Page

from meters.default_policies import make_default_policies
from telemetry_site.auth import tokens
from tests.browser import seed
from tests.support.web import running_web

pytestmark = pytest.mark.browser

BASIC = {"Authorization": "Basic YWRtaW46"}  # admin, without a password
SPAN = {"start": "2026-11-20T10:00:00.000Z", "end": "2026-11-20T11:00:00.000Z"}
QUERY = "&".join(f"{name}={value}" for name, value in {**SPAN, "stop": SPAN["end"]}.items())
ASK = """
async ([url, method, headers, body]) => {
  const answer = await fetch(url, {method, body: body === null ? undefined : JSON.stringify(body),
    headers: {'Content-Type': 'application/json', ...headers}});
  return [answer.status, JSON.parse(await answer.text() || 'null')];
}
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Tests' output is for what failed."""


@pytest.fixture
def grafana(tmp_path: Path) -> Iterator[str]:
    """An origin with an empty page."""
    (tmp_path / "index.html").write_text("<!doctype html><title>dashboard</title>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def door(
    fresh_store: None, grafana: str, process_env: Callable[..., dict[str, str]], tmp_path: Path
) -> Iterator[str]:
    """The metric API for pages of that origin, with names believed for filling it."""
    make_default_policies()
    seed.users()
    settings = {"TELEMETRY_CORS_ORIGINS": grafana, "TELEMETRY_BASIC_AUTH": "true"}
    with running_web(process_env, tmp_path / "web.log", **settings) as site:
        yield f"{site}/metric"


class Panel:
    """The page that asks."""

    def __init__(self, page: Page, door: str) -> None:
        self.page = page
        self.door = door

    def ask(self, path: str, headers: dict[str, str], body: Any = None) -> Any:
        method = "GET" if body is None else "POST"
        status, answer = self.page.evaluate(ASK, [f"{self.door}{path}", method, headers, body])
        assert status < 300, (path, status, answer)
        return answer


@pytest.fixture
def panel(chromium: Browser, grafana: str, door: str) -> Panel:
    page = chromium.new_page()
    page.goto(grafana)
    return Panel(page, door)


def test_a_dashboard(panel: Panel) -> None:
    metrics = {"cpu": {"archive_policy_name": "low"}, "idle": {"archive_policy_name": "low"}}
    for name in ("vm-1", "vm-2"):
        body = {"id": name, "project_id": "p", "metrics": metrics}
        made = panel.ask("/v1/resource/generic", BASIC, body)
        series = [
            {"timestamp": f"2026-11-20T10:{minute:02}:00", "value": minute}
            for minute in (0, 5, 10)
        ]  # fmt: skip
        panel.ask(f"/v1/metric/{made['metrics']['cpu']}/measures", BASIC, series)

    root = panel.ask("/", BASIC)
    assert tuple(map(int, root["build"].split(".")[:2])) >= (4, 7)
    assert panel.ask("/v1/resource_type", BASIC)[0]["name"] == "generic"
    assert "generic" in panel.ask("/v1/resource", BASIC)

    found = panel.ask(
        "/v1/search/resource/generic?filter=project_id%20%3D%20%22p%22"
        "&attrs=id&attrs=original_resource_id&attrs=metrics", BASIC, {},
    )  # fmt: skip
    assert {one["original_resource_id"] for one in found} == {"vm-1", "vm-2"}
    assert all(set(one) == {"id", "original_resource_id", "metrics"} for one in found)
    first = next(one for one in found if one["original_resource_id"] == "vm-1")
    metric = first["metrics"]["cpu"]

    assert panel.ask(f"/v1/metric/{metric}", BASIC)["name"] == "cpu"
    assert panel.ask(f"/v1/resource/generic/{first['id']}", BASIC)["metrics"]["cpu"] == metric
    query = f"aggregation=mean&granularity=300&{QUERY}"
    for path in (
        f"/v1/metric/{metric}/measures", f"/v1/resource/generic/{first['id']}/metric/cpu/measures"
    ):  # fmt: skip
        assert [row[1:] for row in panel.ask(f"{path}?{query}", BASIC)] == [
            [300.0, 0.0], [300.0, 5.0], [300.0, 10.0]
        ]  # fmt: skip
    both = panel.ask(
        f"/v1/aggregation/resource/generic/metric/cpu?{query}&needed_overlap=0", BASIC,
        {"=": {"project_id": "p"}},
    )  # fmt: skip
    assert [value for *_, value in both] == [0.0, 5.0, 10.0]
    empty = f"/v1/metric/{first['metrics']['idle']}/measures"
    assert panel.ask(f"{empty}?{query}", BASIC) == []


def test_operations_as_a_text_in_each_mode(panel: Panel, door: str) -> None:
    """By a name that is believed, and by a token."""
    body = {"id": "vm-1", "metrics": {"cpu": {"archive_policy_name": "low"}}}
    made = panel.ask("/v1/resource/generic", BASIC, body)
    measures = [{"timestamp": "2026-11-20T10:00:00Z", "value": 4}]
    panel.ask(f"/v1/metric/{made['metrics']['cpu']}/measures", BASIC, measures)
    operator = get_user_model().objects.get(username="operator")
    _, token = tokens.issue(operator.pk, "grafana", frozenset(["read"]))
    question = {
        "operations": "(/ (aggregate mean (metric cpu mean)) 2)",
        "resource_type": "generic", "search": 'original_resource_id like "vm-%"',
    }  # fmt: skip
    for headers in (BASIC, {"X-Auth-Token": token}):
        told = panel.ask(
            f"/v1/aggregates?details=true&granularity=300&{QUERY}", headers, question
        )  # fmt: skip
        assert [value for *_, value in told["measures"]["aggregated"]] == [2.0]
        assert [one["original_resource_id"] for one in told["references"]] == ["vm-1"]


def test_a_page_of_no_allowed_origin_reads_nothing(panel: Panel, door: str) -> None:
    panel.page.goto(panel.page.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(Exception, match="Failed to fetch"):
        panel.ask("/v1/resource_type", BASIC)
