"""Dynamic pollsters of any URL and of commands, against a real HTTP server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from meters import wire
from pollers.batch import BatchBuilder
from tests.samples import samples_of, values_of
from tests.support.http_service import HttpService, answering, http_service
from tests.support.polling import SLOT_US, poll_again, poll_with, pollsters_of

SECRET = "pw-not-to-be-seen"


@pytest.fixture
def service() -> Iterator[HttpService]:
    with http_service() as running:
        yield running


def define(service: HttpService, **changes: Any) -> dict[str, Any]:
    """A definition of servers, which a test changes."""
    return {
        "name": "dynamic.server", "sample_type": "gauge", "unit": "server",
        "url_path": f"{service.url}/servers", "value_attribute": "status", **changes,
    }  # fmt: skip


def poll(
    folder: Path, *written: dict[str, Any], **options: Any
) -> tuple[BatchBuilder, wire.PollReport]:
    return poll_with(pollsters_of(folder, *written), **options)[:2]


SERVERS = {
    "servers": [
        {"id": "a", "status": "ACTIVE", "tenant_id": "p1", "user_id": "u1", "name": "web",
         "flavor": {"vcpus": 2}, "tags": ["x", "y"], "host": "h1"},
        {"id": "b", "status": "ERROR", "tenant_id": "p2", "user_id": None, "name": "db",
         "flavor": {"vcpus": 1}, "tags": []},
    ]
}  # fmt: skip


def test_entries_become_samples_with_mapped_values_and_metadata(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/servers"] = SERVERS
    written = define(
        service, value_mapping={"ACTIVE": "1"}, default_value=0,
        project_id_attribute="tenant_id", resource_type="instance",
        metadata_fields=["name", "flavor.vcpus", "tags | ','.join(value)", "host"],
        metadata_mapping={"name": "display_name", "flavor.vcpus": "vcpus"},
    )  # fmt: skip
    builder, report = poll(tmp_path, written)
    samples = samples_of(builder)
    first, second = samples["a", "dynamic.server"], samples["b", "dynamic.server"]

    assert report.outcome == "ok", report
    assert (first.value, second.value) == (1, 0)
    assert first.resource.metadata == {
        "name": "web", "display_name": "web", "flavor.vcpus": 2, "vcpus": 2,
        "tags | ','.join(value)": "x,y", "host": "h1",
    }  # fmt: skip
    assert "host" not in second.resource.metadata
    assert (first.resource.project_id, first.resource.user_id) == ("p1", "u1")
    assert (second.resource.project_id, second.resource.user_id) == ("p2", None)
    assert first.resource.type == "instance"
    assert (first.series.unit, first.series.type, first.at_us) == ("server", "gauge", SLOT_US)
    assert report.details == {"requests": 1, "entries": 2}


def test_old_metadata_keys_go_where_they_are_not_preserved(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/servers"] = SERVERS
    written = define(
        service, value_attribute="flavor.vcpus", metadata_fields="name",
        metadata_mapping={"name": "display_name"}, preserve_mapped_metadata=False,
    )  # fmt: skip
    builder, _ = poll(tmp_path, written)
    assert samples_of(builder)["a", "dynamic.server"].resource.metadata == {"display_name": "web"}


def test_one_bad_entry_costs_no_other_and_is_named(service: HttpService, tmp_path: Path) -> None:
    service.answers["/servers"] = {
        "servers": [
            {"id": "a", "status": "12.5"}, {"id": "b", "status": "many"}, {"id": "c"},
            {"id": "d", "status": None}, {"id": None, "status": 1}, "text",
            {"id": 7, "status": True},
            {"id": "e", "status": "many"},
        ]
    }  # fmt: skip
    builder, report = poll(tmp_path, define(service))
    assert values_of(builder) == {("a", "dynamic.server"): 12.5, ("7", "dynamic.server"): 1}
    assert report.outcome == "partial"
    assert sorted(report.errors) == [
        "dynamic.server: an entry is 'text', which is no object",
        "dynamic.server: the resource's id is None",
        "dynamic.server: the value 'many' is no number (2 times)",
        "dynamic.server: value_attribute: there is no status",
    ]
    assert report.details["without_value"] == 1


def test_values_may_be_skipped(service: HttpService, tmp_path: Path) -> None:
    service.answers["/servers"] = SERVERS
    written = define(service, skip_sample_values=["ERROR"], value_mapping={"ACTIVE": 1})
    builder, report = poll(tmp_path, written)
    assert list(values_of(builder)) == [("a", "dynamic.server")]
    assert report.details["skipped_by_value"] == 1


@pytest.mark.parametrize(
    ("answer", "key", "ids"),
    [
        ([{"id": "a", "status": 1}], "", ["a"]),
        ({"first": [{"id": "a", "status": 1}], "more": []}, "", ["a"]),
        ({"count": 1, "deep": {"list": [{"id": "a", "status": 1}]}}, "deep.list", ["a"]),
        ({"id": "a", "status": 1}, ".", ["a"]),
        ({"server": {"id": "a", "status": 1}}, "", ["a"]),
        ({"x": {"k1": {"n": 1}}}, "x | [{'id': k, 'status': v['n']} for k, v in value.items()]",
         ["k1"]),
        ({"servers": None}, "", []),
    ],
)  # fmt: skip
def test_entries_are_found_where_the_definition_says(
    service: HttpService, tmp_path: Path, answer: Any, key: str, ids: list[str]
) -> None:
    service.answers["/servers"] = answer
    more = {"response_entries_key": key} if key else {}
    builder, report = poll(tmp_path, define(service, **more))
    assert [resource for resource, _ in values_of(builder)] == ids
    assert report.outcome == "ok", report.errors


def test_an_answer_without_entries_is_an_error_in_words(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/servers"] = {"total": 3}
    _, report = poll(tmp_path, define(service))
    assert report.errors == ["dynamic.server: the entries are 3, which is no list"]


def test_pages_are_followed_by_path_and_by_link(service: HttpService, tmp_path: Path) -> None:
    one = {"id": "a", "status": 1}
    service.answers["/servers"] = {"servers": [one], "next": "/servers?page=2"}
    link = "http://inner.example:1/servers?page=3"  # as a service behind a proxy names itself
    service.answers["/servers?page=2"] = {"servers": [one | {"id": "b"}], "next": link}
    service.answers["/servers?page=3"] = {"servers": [one | {"id": "c"}], "next": None}
    builder, report = poll(tmp_path, define(service, next_sample_url_attribute="next"))
    assert [resource for resource, _ in values_of(builder)] == ["a", "b", "c"]
    assert report.details["requests"] == 3


def test_the_next_page_by_an_expression_ends_where_there_is_none(
    service: HttpService, tmp_path: Path
) -> None:
    way = "links | [v for v in value if v.get('rel') == 'next'] | value[0] | value.get('href')"
    service.answers["/servers"] = {**SERVERS, "links": [{"rel": "self", "href": "/x"}]}
    _, report = poll(
        tmp_path, define(service, next_sample_url_attribute=way, value_mapping={"ACTIVE": 1})
    )
    assert (report.outcome, report.details["requests"]) == ("ok", 1)


def test_pages_in_a_circle_end(service: HttpService, tmp_path: Path) -> None:
    page = {"servers": [{"id": "a", "status": 1}], "next": "/servers"}
    service.answers["/servers"] = page
    _, report = poll(tmp_path, define(service, next_sample_url_attribute="next"))
    assert report.errors == [f"{service.url}/servers: the pages go in a circle"]
    assert len(service.seen) == 1


def test_a_list_in_an_entry_makes_a_meter_of_each_part(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/servers"] = [
        {"id": "a", "categories": [
            {"category": "get_obj", "ops": 5}, {"category": "put_obj", "ops": "7"},
            {"category": "list", "ops": 1}, {"ops": 2},
        ]},
        {"id": "b", "categories": "none"},
    ]  # fmt: skip
    written = define(
        service, name="rgw.usage.{category}", value_attribute="[categories].ops",
        skip_sample_values=["list"],
    )  # fmt: skip
    builder, report = poll(tmp_path, written)
    assert values_of(builder) == {("a", "rgw.usage.get_obj"): 5, ("a", "rgw.usage.put_obj"): 7}
    assert sorted(report.errors) == [
        "rgw.usage.{category}: there is no category to name the meter by",
        "rgw.usage.{category}: value_attribute: 'none' is no list",
    ]


def nested(service: HttpService, **more: Any) -> dict[str, Any]:
    return define(
        service, value_mapping={"ACTIVE": 1}, metadata_fields=["name"],
        extra_metadata_fields=[
            {
                "name": "project_name",
                "url_path": f"'{service.url}/projects/' + str(sample['tenant_id'])",
                "value": "name", "metadata_fields": ["domain_id", "name"],
            },
            {
                "name": "domain",
                "url_path": f"'{service.url}/domains/' + extra_metadata_captured['domain_id'] + "
                "'?of=' + extra_metadata_by_name['project_name']['value'] + "
                "sample['metadata']['name']",
                "value": "title",
            },
        ],
        **more,
    )  # fmt: skip


def test_further_requests_add_metadata_and_are_remembered(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/servers"] = {"servers": [
        {"id": one, "status": "ACTIVE", "tenant_id": "p1", "name": "web"} for one in "abc"
    ]}  # fmt: skip
    service.answers["/projects/p1"] = {"project": {"id": "p1", "name": "one", "domain_id": "d"}}
    service.answers["/domains/d?of=oneweb"] = {"domain": {"title": "The domain"}}
    builder, report, source = poll_with(pollsters_of(tmp_path, nested(service)))
    assert report.outcome == "ok", report.errors
    for one in "abc":
        assert samples_of(builder)[one, "dynamic.server"].resource.metadata == {
            "name": "web", "project_name": "one", "domain_id": "d", "domain": "The domain",
        }  # fmt: skip
    assert len(service.seen) == 3
    poll_again(source)
    assert service.paths()[3:] == ["/servers"]


def test_nothing_is_remembered_for_no_seconds(service: HttpService, tmp_path: Path) -> None:
    service.answers["/servers"] = SERVERS
    service.answers["/projects/p1"] = service.answers["/projects/p2"] = {"project": {"name": "n"}}
    written = nested(service, extra_metadata_fields_cache_seconds=0)
    written["extra_metadata_fields"] = written["extra_metadata_fields"][:1]
    _, _, source = poll_with(pollsters_of(tmp_path, written))
    poll_again(source)
    assert service.paths().count("/projects/p1") == 2


def test_a_skip_rule_saves_the_request_and_not_the_sample(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/servers"] = SERVERS
    service.answers["/projects/p1"] = {"project": {"name": "one", "domain_id": "d"}}
    service.answers["/domains/d?of=oneweb"] = {"domain": {"title": "t"}}
    rules = [{}, {"status": "ERROR", "flavor": {"vcpus": 1}}]
    builder, report = poll(tmp_path, nested(service, extra_metadata_fields_skip=rules))
    assert report.outcome == "ok", report.errors
    assert samples_of(builder)["b", "dynamic.server"].resource.metadata == {"name": "db"}
    assert "/projects/p2" not in service.paths()


def test_further_requests_that_fail_cost_metadata_only(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers["/servers"] = SERVERS
    builder, report = poll(tmp_path, nested(service))
    assert len(values_of(builder)) == 2
    assert report.outcome == "partial"
    assert any("project_name: http" in error and "HTTP 404" in error for error in report.errors)


@pytest.mark.parametrize(
    ("handlers", "text", "written", "expected"),
    [
        (["xml"], "<r><s><id>a</id><n unit='B'>5</n></s><s><id>b</id><n>6</n></s></r>",
         {"response_entries_key": "r.s",
          "value_attribute": "n | value['#text'] if '#text' in value else value"},
         {("a", "dynamic.server"): 5, ("b", "dynamic.server"): 6}),
        (["json", "text"], "17 servers",
         {"value_attribute": "out | value.split()[0]",
          "resource_id_attribute": ". | 'all' if value else ''"},
         {("all", "dynamic.server"): 17}),
    ],
)  # fmt: skip
def test_answers_that_are_no_json_have_handlers(
    service: HttpService, tmp_path: Path, handlers: list[str], text: str, written: dict[str, Any],
    expected: dict[tuple[str, str], float],
) -> None:  # fmt: skip
    service.answers["/servers"] = text
    builder, report = poll(tmp_path, define(service, response_handlers=handlers, **written))
    assert report.outcome == "ok", report.errors
    assert values_of(builder) == expected


@pytest.mark.parametrize("handlers", [["json"], ["json", "xml"]])
def test_an_error_in_plain_text_with_status_200_is_one_sentence(
    service: HttpService, tmp_path: Path, handlers: list[str]
) -> None:
    service.answers["/servers"] = "Service temporarily unavailable" + "." * 5000
    _, report = poll(tmp_path, define(service, response_handlers=handlers))
    assert report.outcome == "error"
    (said,) = report.errors
    assert said.startswith(
        f"{service.url}/servers: the answer is no {' or '.join(handlers)}: 'Serv"
    )
    assert len(said) < 400


def test_an_xml_bomb_is_no_answer(service: HttpService, tmp_path: Path) -> None:
    service.answers["/servers"] = (
        '<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>'
    )
    _, report = poll(tmp_path, define(service, response_handlers=["xml"]))
    assert "the answer is no xml" in report.errors[0]


def test_passwords_of_urls_and_parameters_are_used_and_shown_nowhere(
    service: HttpService, tmp_path: Path
) -> None:
    service.answers[f"/servers?token={SECRET}"] = answering(403, "denied")
    written = define(
        service, url_path=f"{service.url}/servers?token={SECRET}", headers=[{"X-Key": SECRET}],
        module="requests.auth", authentication_object="HTTPBasicAuth",
        authentication_parameters=f"admin, {SECRET}",
    )  # fmt: skip
    with capture_logs() as logs:
        builder, report, source = poll_with(pollsters_of(tmp_path, written))
    assert service.seen[0].headers["Authorization"].startswith("Basic ")
    assert service.seen[0].headers["X-Key"] == SECRET
    assert "HTTP 403" in report.errors[0]
    assert (
        SECRET not in f"{report} {logs} {builder.rejects} {source.explanation} {source.pollsters}"
    )


def test_signing_code_comes_from_named_modules_only(service: HttpService, tmp_path: Path) -> None:
    written = define(service, module="os", authentication_object="system",
                     authentication_parameters="touch x")  # fmt: skip
    _, report = poll(tmp_path, written)
    assert "module os is not in TELEMETRY_POLLSTER_AUTH_MODULES" in report.errors[0]
    assert not service.seen


def test_redirects_are_not_followed(service: HttpService, tmp_path: Path) -> None:
    service.answers["/servers"] = answering(302, Location=f"{service.url}/elsewhere")
    _, report = poll(tmp_path, define(service, headers={"X-Key": SECRET}))
    assert "HTTP 302" in report.errors[0]
    assert service.paths() == ["/servers"]


def test_a_server_that_never_answers_is_given_up_in_time(
    service: HttpService, tmp_path: Path
) -> None:
    stop = threading.Event()
    service.answers["/servers"] = lambda _: stop.wait(10)
    for options in ({"timeout": 0.3}, {}):
        started = time.monotonic()
        _, report = poll(tmp_path, define(service, **options), deadline_s=0.5)
        assert time.monotonic() - started < 3
        assert report.errors == [f"{service.url}/servers: no answer before the deadline"]
    stop.set()


def command(line: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "host.thing", "sample_type": "gauge", "unit": "B", "value_attribute": "size",
        "host_command": line, "namespaces": "compute", **more,
    }  # fmt: skip


def test_commands_are_off_unless_the_host_allows_them(tmp_path: Path) -> None:
    _, report = poll(tmp_path, command(f"touch {tmp_path}/made"))
    assert report.errors == ["commands are off on this host: TELEMETRY_ALLOW_HOST_COMMAND=true"]
    assert not (tmp_path / "made").exists()


def test_a_command_is_polled_like_a_service(tmp_path: Path, settings: Any) -> None:
    settings.TELEMETRY_ALLOW_HOST_COMMAND = True
    builder, report = poll(tmp_path, command("""echo '[{"id": "d1", "size": 5}]'"""))
    assert report.outcome == "ok", report.errors
    assert values_of(builder) == {("d1", "host.thing"): 5}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sh -c 'echo broken >&2; exit 3'", "status 3: 'broken"),
        ("sleep 5", "did not end within 0."),
        ("no-such-command", "cannot be run: No such file"),
        ("echo 'a", "cannot be run: no command"),
    ],
)
def test_a_command_that_fails_is_told(tmp_path: Path, settings: Any, line: str, said: str) -> None:
    settings.TELEMETRY_ALLOW_HOST_COMMAND = True
    _, report = poll(tmp_path, command(line), deadline_s=0.5)
    assert said in report.errors[0]


def test_a_tenants_name_never_becomes_a_command(tmp_path: Path, settings: Any) -> None:
    settings.TELEMETRY_ALLOW_HOST_COMMAND = True
    names = ["web-1", f"x; touch {tmp_path}/made", f"$(touch {tmp_path}/made)", "a'b", "-rf", "a b"]
    entries = [{"id": str(number), "size": 1, "name": one} for number, one in enumerate(names)]
    (tmp_path / "answer").write_text(json.dumps(entries))
    inner = command(
        "'echo ' + sample['name']", name="echoed", value="out", response_handlers=["text"]
    )
    written = command(f"cat {tmp_path}/answer", extra_metadata_fields=inner)
    del inner["value_attribute"]
    builder, report = poll(tmp_path, written)
    found = {key[0]: one.resource.metadata for key, one in samples_of(builder).items()}
    assert found["0"] == {"echoed": "web-1\n"}
    assert [found[str(number)] for number in range(1, 6)] == [{}] * 5
    assert not (tmp_path / "made").exists()
    assert report.outcome == "partial"


def test_pollsters_of_one_request_share_its_answer(service: HttpService, tmp_path: Path) -> None:
    service.answers["/servers"] = SERVERS
    first = define(service, value_mapping={"ACTIVE": 1})
    second = define(service, name="dynamic.vcpus", value_attribute="flavor.vcpus")
    builder, _ = poll(tmp_path, first, second)
    assert values_of(builder)["a", "dynamic.vcpus"] == 2
    assert len(builder.reports) == len(service.seen) == 1


def test_secrets_are_no_metadata(service: HttpService, tmp_path: Path) -> None:
    service.answers["/servers"] = [{"id": "a", "status": 1, "psk": SECRET, "auth": {"password": 1}}]
    builder, _ = poll(tmp_path, define(service, metadata_fields=["psk", "auth"]))
    assert samples_of(builder)["a", "dynamic.server"].resource.metadata == {"auth": {}}


def test_an_explanation_tells_requests_and_matches(service: HttpService, tmp_path: Path) -> None:
    service.answers["/servers"] = SERVERS
    _, _, source = poll_with(pollsters_of(tmp_path, define(service, value_mapping={"ACTIVE": 1})))
    request, matched = source.explanation.lines
    assert request.startswith(f"GET {service.url}/servers: HTTP 200, ")
    assert matched == "dynamic.server: 2 entries, 2 samples"
