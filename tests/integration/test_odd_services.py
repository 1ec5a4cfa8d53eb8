"""Services that answer badly: no poll is held up past its time, none fills the memory."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from meters import wire
from pollers.batch import BatchBuilder
from pollers.central.scrape import ScrapeSource
from pollers.central.target_discovery import DiscoveryError, Service
from pollers.polls import run_poll
from pollers.pollsters import source as pollster_source
from telemetry_site.clock import now_us
from tests.samples import samples_of, values_of
from tests.support.http_service import HttpService, answering, http_service
from tests.support.polling import poll_again, poll_with, pollsters_of
from tests.support.tls import make_certificates, tls_receiver
from tests.support.webhooks import receiver, saying

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def service() -> Iterator[HttpService]:
    with http_service() as running:
        yield running


@contextmanager
def dripping_handshake() -> Iterator[str]:
    """Speaks TLS, a byte now and then."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                for byte in b"\x16\x03\x03\x40\x00" + b"\x00" * 300:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.1)

    threading.Thread(target=drip, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
    listener.close()


def definition(url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "odd.thing", "sample_type": "gauge", "unit": "B", "url_path": url,
        "value_attribute": "size", **more,
    }  # fmt: skip


def poll(
    folder: Path, url: str, deadline_s: float = 10, **more: Any
) -> tuple[BatchBuilder, wire.PollReport]:
    return poll_with(pollsters_of(folder, definition(url, **more)), deadline_s=deadline_s)[:2]


def scrape(url: str, interval_s: float = 10) -> wire.PollReport:
    source = ScrapeSource(url, interval_s)
    report = run_poll(source, BatchBuilder("test"), now_us(), interval_s)
    source.close()
    return report


SLOW = {
    "status line": saying(b"HTTP/1.1 ", b"2", pause_s=0.1, times=300),
    "headers": saying(HEAD, b"X: y\r\n", pause_s=0.1, times=300),
    "continue": saying(b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.05, times=600),
    "body of a length": saying(
        HEAD + b"Content-Length: 1000\r\n\r\n", b"[", pause_s=0.1, times=300
    ),
    "body without": saying(HEAD + b"\r\n", b"[", pause_s=0.1, times=300),
    "chunks": saying(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n", pause_s=0.1, times=300
    ),
}  # fmt: skip


@pytest.mark.parametrize("part", SLOW)
def test_a_byte_now_and_then_holds_up_no_poll(part: str, tmp_path: Path) -> None:
    with receiver(SLOW[part]) as there:
        began = time.monotonic()
        _, report = poll(tmp_path, there.url(), deadline_s=1)
        scraped = scrape(there.url(), interval_s=1)
        assert time.monotonic() - began < 15
    said = ("no answer before the deadline", "answer not complete in ")
    assert any(one in report.errors[0] for one in said), report.errors
    assert any(one in scraped.errors[0] for one in said), scraped.errors


def test_a_handshake_of_a_byte_now_and_then_holds_up_no_poll(tmp_path: Path) -> None:
    with dripping_handshake() as url:
        began = time.monotonic()
        _, report = poll(tmp_path, url, deadline_s=1)
        assert time.monotonic() - began < 15
    assert report.outcome == "error"


def test_what_comes_with_a_redirect_is_not_read(service: HttpService, tmp_path: Path) -> None:
    """A gzip bomb of 64 MiB, which would be unpacked before the next request."""
    service.answers["/metrics"] = "good 1\n"
    bomb = gzip.compress(b"\0" * (64 << 20))
    head = (
        b"HTTP/1.1 302 Found\r\nLocation: %s/metrics\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: %d\r\n\r\n"
    ) % (service.url.encode(), len(bomb) + 10_000)
    with receiver(saying(head, bomb, pause_s=20)) as there:
        began = time.monotonic()
        report = scrape(there.url())
        assert time.monotonic() - began < 10, "the rest, which never comes, is not waited for"
        _, refused = poll(tmp_path, there.url())
        assert time.monotonic() - began < 18
    assert (report.outcome, report.details["series"]) == ("ok", 1)
    assert "HTTP 302" in refused.errors[0]


def test_no_cookie_is_kept(service: HttpService) -> None:
    service.answers["/metrics"] = answering(200, "good 1\n", Set_Cookie="a=b")
    source = ScrapeSource(f"{service.url}/metrics", 10)
    for _ in range(2):
        run_poll(source, BatchBuilder("test"), now_us(), 10)
    source.close()
    assert [one for one in service.seen if "Cookie" in one.headers] == []


def test_redirects_in_a_circle_end(service: HttpService) -> None:
    service.answers["/a"] = lambda request: _redirect(request, "/b")
    service.answers["/b"] = lambda request: _redirect(request, "/a")
    report = scrape(f"{service.url}/a")
    assert report.errors == [f"{service.url}/a: too many redirects"]
    assert len(service.seen) == 4


def _redirect(request: Any, to: str) -> None:
    request.send_response(302)
    request.send_header("Location", to)
    request.send_header("Content-Length", "0")
    request.end_headers()


def test_a_login_stays_with_its_host(service: HttpService) -> None:
    service.answers["/metrics"] = "good 1\n"
    with http_service() as first:
        first.answers["/metrics"] = lambda request: _redirect(request, f"{service.url}/metrics")
        report = scrape(first.url.replace("//", "//user:password@") + "/metrics")
    assert report.outcome == "ok"
    assert "Authorization" in first.seen[0].headers
    assert "Authorization" not in service.seen[0].headers


def test_the_services_of_a_cloud_are_proved_by_its_authorities(tmp_path: Path) -> None:
    """As a scrape file and a pollster name them; those of a catalogue in test_cloud_pollsters."""
    make_certificates(tmp_path)
    with tls_receiver(tmp_path, "good") as (url, _):
        assert "TLS failed" in scrape(url).errors[0]
        with pytest.raises(DiscoveryError, match="TLS failed"):
            Service(url).look()
        with pytest.raises(DiscoveryError, match="no JSON"):
            Service(url, verify=str(tmp_path / "ca.pem")).look()


def test_a_file_of_authorities_that_is_gone_is_told() -> None:
    with pytest.raises(DiscoveryError):
        Service("https://localhost:1/", verify="/no/such/file").look()


@pytest.mark.parametrize("link", ["http://[::1", "//[", "http://[oops]/x"])
def test_a_next_page_that_is_no_url_is_told(
    service: HttpService, tmp_path: Path, link: str
) -> None:
    service.answers["/list"] = {"things": [{"id": "a", "size": 1}], "next": link}
    builder, report = poll(tmp_path, f"{service.url}/list", next_sample_url_attribute="next")
    assert values_of(builder) == {("a", "odd.thing"): 1}
    assert "unforeseen" not in report.errors[0]
    assert "no URL" in report.errors[0] or "no connection" in report.errors[0]


def test_pages_without_end_stop_at_a_number_of_entries(
    service: HttpService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pollster_source, "MAX_ENTRIES", 25)

    class Endless(dict[str, Any]):
        def get(self, path: str, default: Any = None) -> Any:
            page = int(path.rpartition("=")[2])
            entries = [{"id": f"{page}-{number}", "size": 1} for number in range(10)]
            return {"things": entries, "next": f"/list?page={page + 1}"}

    service.answers = Endless()
    builder, report = poll(tmp_path, f"{service.url}/list?page=0", next_sample_url_attribute="next")
    assert builder.samples == 25
    assert report.outcome == "partial"
    assert report.errors == ["odd.thing: more than 25 entries, the rest is left out"]
    assert len(service.seen) == 3


@pytest.mark.parametrize(
    "bad",
    [
        '{"id": "\\ud800", "size": 1}', '{"id": "b", "size": 1, "extra": {"k": "\\udfff"}}',
        '{"id": "c", "size": NaN}', '{"id": "d", "size": 1e999}',
        '{"id": "e", "size": 1, "extra": NaN}', '{"id": "f", "size": 1, "extra": 1e999}',
        '{"id": "g", "size": 1, "extra": 18446744073709551615}',
        '{"id": "h", "size": 1, "extra": ' + "[" * 900 + "]" * 900 + "}",
        '{"id": "i", "size": ' + "[" * 900 + "]" * 900 + "}",
        '{"id": "j", "size": 1, "extra": {'
        + ",".join(f'"k{number}": 1' for number in range(300)) + "}}",
        '{"id": "k", "size": 1, "extra": {'
        + ",".join(f'"k{number}": "{"x" * 4000}"' for number in range(30)) + "}}",
        '{"id": "l", "size": "' + "9" * 5000 + '"}', '{"id": "' + "m" * 300 + '", "size": 1}',
        '{"id": {}, "size": 1}', '{"id": 1.5, "size": 1}', "[]", "7", '"text"', "null",
    ],
)  # fmt: skip
def test_an_odd_entry_costs_no_other(service: HttpService, tmp_path: Path, bad: str) -> None:
    good = '{"id": "good", "size": 5, "extra": 1}'
    service.answers["/list"] = f"[{bad}, {good}]"
    builder, report = poll(tmp_path, f"{service.url}/list", metadata_fields=["extra"])
    assert values_of(builder)["good", "odd.thing"] == 5
    assert not any("unforeseen" in error for error in report.errors), report.errors
    for batch in builder.batches():
        wire.encode(batch)


@pytest.mark.parametrize("name", ["b", "e", "f", "g", "h", "j", "k"])
def test_metadata_that_can_not_be_kept_cost_no_sample(
    service: HttpService, tmp_path: Path, name: str
) -> None:
    extra = {
        "b": '{"k": "\\udfff"}', "e": "NaN", "f": "1e999", "g": "18446744073709551615",
        "h": "[" * 900 + "]" * 900,
        "j": "{" + ",".join(f'"k{number}": 1' for number in range(300)) + "}",
        "k": "{" + ",".join(f'"k{number}": "{"x" * 4000}"' for number in range(30)) + "}",
    }[name]  # fmt: skip
    service.answers["/list"] = f'[{{"id": "a", "size": 1, "name": "n", "extra": {extra}}}]'
    builder, report = poll(tmp_path, f"{service.url}/list", metadata_fields=["extra", "name"])
    assert not builder.rejects
    assert samples_of(builder)["a", "odd.thing"].resource.metadata["name"] == "n"
    assert any("metadata: " in error for error in report.errors), report.errors


@pytest.mark.parametrize(
    ("way", "kept"),
    [
        ("tags | set(value)", ["x"]), ("tags | tuple(value)", ["x"]),
        ("map | value.keys()", ["k"]), ("map | value.items()", [["k", 1]]),
        ("tags | {1: value}", {"1": ["x"]}),
    ],
)  # fmt: skip
def test_what_an_expression_makes_is_kept_as_json_has_it(
    service: HttpService, tmp_path: Path, way: str, kept: Any
) -> None:
    service.answers["/list"] = [{"id": "a", "size": 1, "tags": ["x"], "map": {"k": 1}}]
    builder, report = poll(tmp_path, f"{service.url}/list", metadata_fields=[way])
    assert report.outcome == "ok", report.errors
    assert samples_of(builder)["a", "odd.thing"].resource.metadata == {way: kept}


@pytest.mark.parametrize("tenant", [0, 1])
def test_a_project_of_any_number_is_one(service: HttpService, tmp_path: Path, tenant: int) -> None:
    service.answers["/list"] = [{"id": "a", "size": 1, "project_id": tenant, "user_id": False}]
    builder, _ = poll(tmp_path, f"{service.url}/list")
    resource = samples_of(builder)["a", "odd.thing"].resource
    assert (resource.project_id, resource.user_id) == (str(tenant), None)


def test_two_ways_to_read_one_place_are_remembered_apart(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/list"] = [{"id": "a", "size": 1}]
    service.answers["/more"] = {"it": {"size": 3}}
    url = f"{service.url}/more"
    nested = [
        {"name": "read", "url_path": url, "value": "size"},
        {"name": "whole", "url_path": url, "value": "out", "response_handlers": ["text"]},
    ]
    builder, report = poll(tmp_path, f"{service.url}/list", extra_metadata_fields=nested)
    assert report.outcome == "ok", report.errors
    metadata = samples_of(builder)["a", "odd.thing"].resource.metadata
    assert metadata == {"read": 3, "whole": '{"it": {"size": 3}}'}


def test_of_a_long_answer_only_what_is_used_is_remembered(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/list"] = [{"id": str(number), "size": 1} for number in range(20)]
    long = {"things": [{"name": "x"}, *({"name": "y" * 100_000} for _ in range(20))]}
    for number in range(20):
        service.answers[f"/more/{number}"] = long
    nested = {
        "name": "more", "url_path": f"'{service.url}/more/' + sample['id']", "value": "name",
    }  # fmt: skip
    tracemalloc.start()
    builder, report, source = poll_with(
        pollsters_of(tmp_path, definition(f"{service.url}/list", extra_metadata_fields=nested))
    )
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.outcome == "ok", report.errors
    assert samples_of(builder)["19", "odd.thing"].resource.metadata == {"more": "x"}
    assert kept < 10 << 20
    poll_again(source)
    assert len(service.seen) == 22, "they are remembered"


def test_a_command_that_never_stops_writing_fills_no_memory(tmp_path: Path, settings: Any) -> None:
    settings.TELEMETRY_ALLOW_HOST_COMMAND = True
    written = definition("") | {"host_command": "yes", "response_handlers": ["text"]}
    del written["url_path"]
    began = time.monotonic()
    _, report, _ = poll_with(pollsters_of(tmp_path, written), deadline_s=60)
    assert report.errors == ["the command writes more than 16 MiB"]
    assert time.monotonic() - began < 40


def test_a_command_that_closes_its_output_and_stays_is_ended(tmp_path: Path, settings: Any) -> None:
    settings.TELEMETRY_ALLOW_HOST_COMMAND = True
    written = definition("") | {
        "host_command": "sh -c 'exec >&- 2>&-; sleep 20'", "response_handlers": ["text"],
    }  # fmt: skip
    del written["url_path"]
    began = time.monotonic()
    _, report, _ = poll_with(pollsters_of(tmp_path, written), deadline_s=0.5)
    assert "the command did not end within 0." in report.errors[0]
    assert time.monotonic() - began < 15
