"""The scrape source against real HTTP servers, well-behaved and not."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from structlog.testing import capture_logs

from meters import wire
from pollers.batch import BatchBuilder
from pollers.central import scrape
from pollers.central.scrape import ScrapeSource
from pollers.polls import run_poll
from telemetry_site.clock import now_us
from tests.samples import samples_of

Answer = Callable[[BaseHTTPRequestHandler], None]
SECRET = "pw-not-to-be-seen"


class Endpoint(ThreadingHTTPServer):
    """Answers with whatever the test sets as `answer`; remembers the requests' headers."""

    daemon_threads = True
    answer: Answer
    headers_seen: list[dict[str, str]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/metrics"

    def serve(self, text: str, status: int = 200, kind: str = "text/plain; version=0.0.4") -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            request.send_header("Content-Type", kind)
            request.end_headers()
            request.wfile.write(text.encode())

        self.answer = answer


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        self.server.headers_seen.append(dict(self.headers))
        self.server.answer(self)

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint(("127.0.0.1", 0), Handler)
    server.headers_seen = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def poll(url: str, interval_s: float = 10) -> tuple[BatchBuilder, wire.PollReport]:
    builder = BatchBuilder("test")
    source = ScrapeSource(url, interval_s)
    report = run_poll(source, builder, now_us(), interval_s)
    source.close()
    return builder, report


def test_an_endpoint_becomes_resources_by_label_set_and_meters_by_name(endpoint: Endpoint) -> None:
    endpoint.serve('# TYPE hits counter\nhits_total{code="200"} 5\nhits_total{code="500"} 1\nx 3\n')
    builder, report = poll(endpoint.url)
    samples = samples_of(builder)

    assert (report.kind, report.source, report.outcome) == ("prometheus", endpoint.url, "ok")
    good = samples[f'{endpoint.url}{{code="200"}}', "hits_total"]
    assert good.value == 5
    assert good.resource.type == "prometheus"
    assert good.resource.metadata["labels"] == {"code": "200"}
    assert good.resource.metadata["instance"] == f"127.0.0.1:{endpoint.server_port}"
    assert samples[endpoint.url, "x"].value == 3
    assert samples[endpoint.url, "up"].value == 1
    assert samples[endpoint.url, "scrape_duration_seconds"].value < 5


def test_an_endpoint_that_is_down_is_up_zero_and_an_error_in_words() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/metrics"
        builder, report = poll(url)
    assert report.outcome == "error"
    assert report.errors == [f"{url}: no connection: Connection refused"]
    assert {key: sample.value for key, sample in samples_of(builder).items()} == {(url, "up"): 0}


def test_an_error_status_is_told_with_the_head_of_the_answer(endpoint: Endpoint) -> None:
    endpoint.serve("backend is being restarted" + "." * 10_000, status=503)
    _, report = poll(endpoint.url)
    assert report.outcome == "error"
    assert "HTTP 503" in report.errors[0]
    assert "backend is being restarted" in report.errors[0]
    assert len(report.errors[0]) < 400


def test_a_plain_text_error_with_status_200_is_one_error_with_url_and_text(
    endpoint: Endpoint,
) -> None:
    endpoint.serve("Service temporarily unavailable")
    _, report = poll(endpoint.url)
    assert report.errors == [
        f"{endpoint.url}: no Prometheus text: 'Service temporarily unavailable'"
    ]


def test_one_bad_line_makes_a_partial_poll(endpoint: Endpoint) -> None:
    endpoint.serve("good 1\nbad{ 2\n")
    builder, report = poll(endpoint.url)
    assert report.outcome == "partial"
    assert "line 2" in report.errors[0]
    assert samples_of(builder)[endpoint.url, "good"].value == 1


def test_an_endpoint_that_drips_is_given_up_at_the_deadline(endpoint: Endpoint) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            for _ in range(100):
                request.wfile.write(b"# a comment that never ends\n" * 4000)
                time.sleep(0.2)
        except OSError:
            return

    endpoint.answer = drip
    started = time.monotonic()
    _, report = poll(endpoint.url, interval_s=2)
    assert time.monotonic() - started < 4
    assert report.errors == [f"{endpoint.url}: answer not complete in 1.2 s"]


def test_an_endpoint_that_never_answers_is_given_up_at_the_deadline(endpoint: Endpoint) -> None:
    stop = threading.Event()
    endpoint.answer = lambda request: bool(stop.wait(10)) and None
    started = time.monotonic()
    _, report = poll(endpoint.url, interval_s=2)
    stop.set()
    assert time.monotonic() - started < 4
    assert report.errors == [f"{endpoint.url}: no answer before the deadline"]


def test_an_answer_of_any_size_does_not_fill_the_memory(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "MAX_BYTES", 1 << 20)
    endpoint.serve("# padding\n" * 300_000)
    _, report = poll(endpoint.url)
    assert report.errors == [f"{endpoint.url}: answer of more than 1 MiB"]


def test_too_many_series_are_cut_and_said(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "MAX_SERIES", 10)
    endpoint.serve("".join(f'x{{n="{number}"}} 1\n' for number in range(25)))
    builder, report = poll(endpoint.url)
    assert report.outcome == "partial"
    assert report.errors == [f"{endpoint.url}: 25 series, 10 kept"]
    assert report.details["series"] == 10
    assert builder.samples == 12


def test_an_answer_of_many_short_lines_does_not_fill_the_memory(endpoint: Endpoint) -> None:
    endpoint.serve("a 1\n" * 1_000_000)
    tracemalloc.start()
    builder, report = poll(endpoint.url)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.errors == [f"{endpoint.url}: more than 200000 lines"]
    assert samples_of(builder)[endpoint.url, "up"].value == 0
    assert most < 64 << 20


def test_a_password_of_the_url_is_used_and_shown_nowhere(endpoint: Endpoint) -> None:
    endpoint.serve("denied", status=401)
    url = endpoint.url.replace("http://", f"http://scraper:{SECRET}@") + f"?token={SECRET}"
    with capture_logs() as logs:
        builder, report = poll(url)
    assert endpoint.headers_seen[0]["Authorization"].startswith("Basic ")
    assert "HTTP 401" in report.errors[0]
    told = f"{report} {logs} {builder.rejects} {list(samples_of(builder))}"
    assert SECRET not in told


def test_no_error_of_the_http_library_shows_the_password() -> None:
    for url in (
        f"http://scraper:{SECRET}@127.0.0.1:1/metrics?token={SECRET}",
        f"http://scraper:{SECRET}@no-such-host.invalid/metrics?token={SECRET}",
        f"http://scraper:{SECRET}@[::1/metrics",
        f"http://scraper:{SECRET}@127.0.0.1:99999/metrics",
    ):
        builder, report = poll(url, interval_s=2)
        assert report.outcome == "error"
        assert SECRET not in f"{report} {builder.rejects} {list(samples_of(builder))}"


def test_more_samples_than_one_batch_holds_are_split(endpoint: Endpoint) -> None:
    endpoint.serve("".join(f'x{{n="{number}"}} {number}\n' for number in range(6000)))
    builder, report = poll(endpoint.url)
    assert (report.outcome, report.samples) == ("ok", 6002)
    assert len(builder.batches()) == 2
    assert len(samples_of(builder)) == 6002
