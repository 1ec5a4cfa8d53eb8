"""Targets that files, a service over HTTP and the system's resolver name."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from meters import wire
from pollers.batch import BatchBuilder
from pollers.central import plan, tasks
from pollers.central.discovered import DiscoveredWork
from pollers.central.scrape_file import Job, ScrapeFileError, load_jobs
from pollers.polls import run_poll
from telemetry_site.clock import now_us
from tests.samples import values_of
from tests.support.http_service import HttpService, answering, http_service

SECRET = "pw-not-to-be-seen"


@pytest.fixture
def service() -> Iterator[HttpService]:
    with http_service() as running:
        yield running


@pytest.fixture
def _read_anew() -> Iterator[None]:
    caches = (plan.fixed_work, plan.discovered, plan.scrape_jobs)
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()


def jobs_of(folder: Path, discovery: str, more: str = "") -> list[Job]:
    file = folder / "scrape.yaml"
    file.write_text(
        f"scrape_configs:\n  - job_name: node\n    scrape_interval: 30s\n{more}{discovery}"
    )
    return load_jobs(file, 10)


def in_files(folder: Path, pattern: str = "targets/*.json", more: str = "") -> DiscoveredWork:
    text = f'    file_sd_configs:\n      - files: ["{pattern}"]\n'
    return DiscoveredWork(jobs_of(folder, text, more))


def of_service(folder: Path, url: str, more: str = "") -> DiscoveredWork:
    text = f"    http_sd_configs:\n      - url: {url}\n        refresh_interval: 1ms\n{more}"
    return DiscoveredWork(jobs_of(folder, text))


def write(folder: Path, name: str, content: Any) -> Path:
    """A file of targets, replaced at once as a careful writer does."""
    (folder / "targets").mkdir(exist_ok=True)
    made, file = folder / "new", folder / "targets" / name
    made.write_text(content if isinstance(content, str) else json.dumps(content))
    os.replace(made, file)
    return file


def urls(work: DiscoveredWork) -> list[str]:
    return [name for name in work.work() if not name.startswith("targets of ")]


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def told(work: DiscoveredWork) -> wire.PollReport:
    """What the sources page says of the only discovery."""
    (one,) = (one for name, one in work.work().items() if name.startswith("targets of "))
    return run_poll(one.source, BatchBuilder("test"), now_us(), 30)


# --- files ------------------------------------------------------------------------------------
def test_files_name_targets_with_labels_that_rules_may_use(tmp_path: Path) -> None:
    write(tmp_path, "a.json", [{"targets": ["h1:9100", "h2:9100"], "labels": {"room": "one"}}])
    work = in_files(
        tmp_path,
        more="    relabel_configs:\n"
        "      - {source_labels: [__meta_filepath], regex: '.*/(.*)', target_label: file}\n"
        "      - {source_labels: [__address__], regex: 'h2.*', action: drop}\n",
    )
    (target,) = (one for name, one in work.work().items() if name.startswith("http"))
    assert target.name == "http://h1:9100/metrics"
    assert target.interval_s == 30
    assert target.source._target.labels == {  # type: ignore[attr-defined]
        "job": "node", "room": "one", "file": "a.json", "instance": "h1:9100",
    }  # fmt: skip


def test_a_file_that_changes_comes_or_goes_counts_without_a_restart(tmp_path: Path) -> None:
    write(tmp_path, "a.json", [{"targets": ["h1:1"]}])
    work = in_files(tmp_path)
    before = work.work()["http://h1:1/metrics"]
    second = write(tmp_path, "b.json", [{"targets": ["h2:1"]}])
    write(tmp_path, "a.json", [{"targets": ["h1:1", "h3:1"]}])
    assert within(3, lambda: len(urls(work)) == 3), urls(work)
    assert work.work()["http://h1:1/metrics"] is before, "what stays keeps its source"
    second.unlink()
    assert within(3, lambda: urls(work) == ["http://h1:1/metrics", "http://h3:1/metrics"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"targets": ["h2', "is no JSON"),
        ("", "is no JSON"),
        ('{"targets": []}', "there is no list of groups of targets"),
        ('[{"targets": "h2:1"}]', "a group has a list of targets"),
        ('[{"targets": ["h2:1"], "labels": [1]}]', "labels is a mapping"),
        ('[{"targets": [9100]}]', "the target 9100 is no host:port"),
    ],
)
def test_a_file_with_a_fault_keeps_the_targets_it_had_and_says_so(
    tmp_path: Path, content: str, said: str
) -> None:
    write(tmp_path, "a.json", [{"targets": ["h1:1"]}])
    write(tmp_path, "b.json", [{"targets": ["h9:1"]}])
    work = in_files(tmp_path)
    assert told(work).outcome == "ok"
    write(tmp_path, "a.json", content)
    with capture_logs() as logs:
        assert within(3, lambda: told(work).outcome == "partial")
    assert urls(work) == ["http://h1:1/metrics", "http://h9:1/metrics"]
    report = told(work)
    assert said in report.errors[0], report.errors
    assert report.details == {"targets": 2}
    assert len([one for one in logs if one["event"] == "targets"]) == 1, "said once"
    write(tmp_path, "a.json", [])
    assert within(3, lambda: urls(work) == ["http://h9:1/metrics"])
    assert told(work).outcome == "ok"


def test_a_file_that_anybody_may_write_to_names_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a.yml", "[{targets: ['h1:1']}]").chmod(0o666)
    write(tmp_path, "b.json", [{"targets": ["h1:1"]}]).chmod(0o666)
    for pattern in ("targets/*.yml", "targets/*.json"):
        work = in_files(tmp_path, pattern)
        assert urls(work) == []
        assert "anybody may write to this file" in told(work).errors[0]


def test_files_in_yaml_are_read_too_and_a_folder_without_any_is_no_fault(tmp_path: Path) -> None:
    work = in_files(tmp_path, "targets/*.yml")
    assert urls(work) == []
    assert (told(work).outcome, told(work).details) == ("ok", {"targets": 0})
    write(tmp_path, "a.yml", "- targets: ['h1:1']\n  labels: {rack: 7}\n")
    assert within(3, lambda: urls(work) == ["http://h1:1/metrics"])


# --- services over HTTP -----------------------------------------------------------------------
def test_a_service_is_asked_again_and_what_it_named_last_outlives_it(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/sd"] = [{"targets": ["h1:1"], "labels": {"a": "b"}}]
    work = of_service(tmp_path, f"{service.url}/sd")
    assert urls(work) == ["http://h1:1/metrics"], "found before the first tick"
    service.answers["/sd"] = [{"targets": ["h1:1", "h2:1"]}]
    assert within(5, lambda: len(urls(work)) == 2)
    for answer, said in (
        (answering(503, "being restarted"), "HTTP 503"), ("<html>", "the answer is no JSON"),
        ({"targets": []}, "there is no list of groups of targets"),
    ):  # fmt: skip
        service.answers["/sd"] = answer
        assert within(5, lambda said=said: said in str(told(work).errors)), said  # type: ignore[misc]
        assert len(urls(work)) == 2
        assert told(work).outcome == "partial"
    service.answers["/sd"] = []
    assert within(5, lambda: urls(work) == [])


def test_a_service_that_hangs_holds_up_nothing(service: HttpService, tmp_path: Path) -> None:
    service.answers["/sd"] = [{"targets": ["h1:1"]}]
    work = of_service(tmp_path, f"{service.url}/sd")
    assert urls(work)

    def hang(request: Any) -> None:
        time.sleep(1.5)

    service.answers["/sd"] = hang
    started = time.monotonic()
    for _ in range(20):
        assert urls(work) == ["http://h1:1/metrics"]
    assert time.monotonic() - started < 1


def test_the_login_of_a_service_is_sent_and_shown_nowhere(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers[f"/sd?token={SECRET}"] = answering(403, "no")
    url = f"{service.url}/sd?token={SECRET}"
    with capture_logs() as logs:
        work = of_service(
            tmp_path, url, f"        basic_auth: {{username: u, password: {SECRET}}}\n"
        )
        report = told(work)
    assert report.outcome == "error"
    assert "HTTP 403" in report.errors[0]
    assert service.seen[0].headers["Authorization"].startswith("Basic ")
    assert SECRET not in f"{report} {logs} {list(work.work())} {work.work()!r}"


# --- names ------------------------------------------------------------------------------------
def test_addresses_of_a_name_are_targets(tmp_path: Path) -> None:
    text = "    dns_sd_configs:\n      - {names: [localhost], type: A, port: 9100}\n"
    work = DiscoveredWork(jobs_of(tmp_path, text))
    assert urls(work) == ["http://127.0.0.1:9100/metrics"]


def test_a_name_that_does_not_exist_is_an_error_in_words(tmp_path: Path) -> None:
    text = "    dns_sd_configs:\n      - {names: [nowhere.invalid], type: A, port: 1}\n"
    work = DiscoveredWork(jobs_of(tmp_path, text))
    assert urls(work) == []
    assert told(work).outcome == "error"
    assert "nowhere.invalid: " in told(work).errors[0]


# --- definitions ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file_sd_configs: [{files: []}]", "4: job 'node': file_sd_configs: files is a list"),
        ("file_sd_configs: [{files: [x.txt]}]", "'x.txt' is no name of .json, .yml or .yaml"),
        ("file_sd_configs: [{files: ['*/x.json']}]", "is no name of .json, .yml or .yaml"),
        ("file_sd_configs: [{files: [x.json], every: 1m}]", "every is not supported"),
        ("http_sd_configs: [{url: ftp://x}]", "url is an http or https URL"),
        ("http_sd_configs: [{url: http://x, refresh_interval: now}]", "'now' is no time"),
        ("http_sd_configs: {url: http://x}", "http_sd_configs is a list"),
        ("http_sd_configs: [http://x]", "an entry is a mapping"),
        ("dns_sd_configs: [{names: [a]}]", "type SRV is not supported, A and AAAA are"),
        ("dns_sd_configs: [{names: [a], type: A}]", "port is missing"),
        ("consul_sd_configs: []", "consul_sd_configs is not supported"),
        ("honor_labels: true", "static_configs is missing"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ScrapeFileError, match=said.replace("[", r"\[")):
        jobs_of(tmp_path, f"    {text}\n")


# --- the agent --------------------------------------------------------------------------------
@pytest.mark.usefixtures("_read_anew")
def test_an_agent_polls_what_is_found_beside_what_stands_in_the_file(
    service: HttpService, tmp_path: Path, settings: Any
) -> None:
    service.answers["/metrics"] = "x 3\n"
    address = service.url.removeprefix("http://")
    jobs_of(tmp_path, '    file_sd_configs:\n      - files: ["targets/*.json"]\n')
    settings.TELEMETRY_SCRAPE_FILE = str(tmp_path / "scrape.yaml")
    settings.TELEMETRY_SCRAPE_URLS = [f"{service.url}/own"]
    name = f"{service.url}/metrics"
    assert name not in plan.central_work()
    write(tmp_path, "a.json", [{"targets": [address]}])
    assert within(3, lambda: name in plan.central_work())
    assert f"{service.url}/own" in plan.central_work()
    builder = BatchBuilder("test")
    work = plan.central_work()[name]
    run_poll(work.source, builder, now_us(), 30)
    labels = f'{name}{{instance="{address}",job="node"}}'
    assert values_of(builder)[labels, "x"] == 3


@pytest.mark.usefixtures("_read_anew", "made_tasks")
def test_a_target_that_another_agent_knows_already_is_no_error(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs_of(tmp_path, '    file_sd_configs:\n      - files: ["targets/*.json"]\n')
    settings.TELEMETRY_SCRAPE_FILE = str(tmp_path / "scrape.yaml")
    monkeypatch.setattr(tasks.paths, "home", lambda: tmp_path)
    tasks.agent_schedule.cache_clear()
    monkeypatch.setattr(tasks, "tell_unknown", lambda *_: pytest.fail("told as an error"))
    tasks.poll_source("http://h1:1/metrics", now_us() / 1e6)
    tasks.agent_schedule.cache_clear()


def test_what_is_kept_of_a_target_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.paths, "home", lambda: tmp_path)
    tasks.source_schedule.cache_clear()
    tasks.forget_others({"a", "b"})
    tasks.source_schedule("a", 10).done(100)
    tasks.source_schedule("b", 10).done(100)
    assert len(list((tmp_path / "schedule").glob("*.json"))) == 2
    tasks.forget_others({"b"})
    kept = [path.name for path in (tmp_path / "schedule").iterdir()]
    assert kept
    assert all(name.startswith("central-b") for name in kept)
    tasks.source_schedule.cache_clear()
    tasks.forget_others(())
