"""Archive policies and their rules, over HTTP: each answer and each refusal."""

from __future__ import annotations

from typing import Any

import pytest

from meters.models import ArchivePolicy, Metric, Resource
from telemetry_site.clock import now
from tests.api.metric.people import ROOT, MetricClient, error_of

LOW = {"name": "low", "definition": [{"granularity": "5 minutes", "points": 12}]}
LOW_TOLD = {
    "name": "low",
    "back_window": 0,
    "definition": [{"granularity": "0:05:00", "points": 12, "timespan": "1:00:00"}],
    "aggregation_methods": ["mean", "min", "max", "sum", "count", "std"],
}
RULE = {"name": "r", "metric_pattern": "disk.*", "archive_policy_name": "low"}
METHODS_OF_ALL = 216


def make_metric(policy: str) -> Metric:
    resource = Resource.objects.create(original_id="vm", revision_start=now(), started_at=now())
    return Metric.objects.create(
        resource=resource, name="cpu", archive_policy=ArchivePolicy.objects.get(name=policy)
    )


# --- policies: made and read -------------------------------------------------------------------


def test_a_policy_is_made_and_read(admin: MetricClient, jd: MetricClient) -> None:
    answer = admin.ask("POST", "/archive_policy", LOW)
    assert answer.status_code == 201
    assert answer["Location"] == f"{ROOT}/archive_policy/low"
    assert answer.json() == LOW_TOLD
    assert jd.fetch("/archive_policy/low") == LOW_TOLD
    assert jd.fetch("/archive_policy/") == [LOW_TOLD]


def test_there_is_none_at_first(jd: MetricClient) -> None:
    assert jd.fetch("/archive_policy") == []
    assert error_of(jd.ask("GET", "/archive_policy/x"), 404) == "Archive policy x does not exist"


def test_numbers_may_be_texts_and_spans_either(admin: MetricClient) -> None:
    body = {
        "name": "p",
        "back_window": "3",
        "definition": [
            {"granularity": 10, "points": "20"},
            {"granularity": "7s", "timespan": "1:00:00"},
            {"points": 1000, "timespan": 3600.0},
            {"granularity": "1 day"},
        ],
        "aggregation_methods": ["rate:mean", "-mean", "last"],
    }
    told = admin.make("/archive_policy", body)
    assert told["back_window"] == 3
    assert told["aggregation_methods"] == ["last", "rate:mean"]
    assert told["definition"] == [
        {"granularity": "0:00:10", "points": 20, "timespan": "0:03:20"},
        {"granularity": "0:00:07", "points": 514, "timespan": "0:59:58"},
        {"granularity": "0:00:03.600000", "points": 1000, "timespan": "1:00:00"},
        {"granularity": "1 day, 0:00:00", "points": None, "timespan": None},
    ]


def test_a_policy_may_have_all_methods(admin: MetricClient) -> None:
    told = admin.make("/archive_policy", {**LOW, "aggregation_methods": ["*"]})
    assert len(told["aggregation_methods"]) == METHODS_OF_ALL


@pytest.mark.parametrize("name", ["✔éñ☃", "a b", "x?y=1&z#%", "æ", "."])
def test_a_name_may_be_nearly_anything(admin: MetricClient, name: str) -> None:
    answer = admin.ask("POST", "/archive_policy", {**LOW, "name": name})
    path = answer["Location"].removeprefix(ROOT)
    assert answer["Location"].isascii()
    assert admin.fetch(path)["name"] == name


def test_a_name_is_taken_once(admin: MetricClient) -> None:
    admin.make("/archive_policy", LOW)
    refused = admin.ask("POST", "/archive_policy", LOW)
    assert error_of(refused, 409) == "Archive policy low already exists"


DEFINITION = [{"granularity": 1}]


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        ([], "expected a dictionary", []),
        (
            {"definition": DEFINITION},
            "required key not provided @ data['name']",
            ["name"],
        ),
        ({"cowsay": "moo"}, "extra keys not allowed @ data['cowsay']", ["cowsay"]),
        ({"name": "m"}, "required key not provided @ data['definition']", ["definition"]),
        (
            {"name": "m", "definition": []},
            "length of value must be at least 1 for dictionary value @ data['definition']",
            ["definition"],
        ),
        (
            {"name": "m", "definition": "foobar"},
            "expected a list for dictionary value @ data['definition']",
            ["definition"],
        ),
        (
            {"name": "m", "definition": [{"cowsay": "moo"}]},
            "extra keys not allowed @ data['definition'][0]['cowsay']",
            ["definition", "0", "cowsay"],
        ),
        (
            {"name": "m", "definition": [{"granularity": 0, "points": 60}]},
            "Timespan must be positive for dictionary value @ data['definition'][0]['granularity']",
            ["definition", "0", "granularity"],
        ),
        (
            {"name": "m", "definition": [{"granularity": 1, "timespan": "1 shenanigan"}]},
            "Unable to parse timespan for dictionary value @ data['definition'][0]['timespan']",
            ["definition", "0", "timespan"],
        ),
        (
            {"name": "m", "definition": [{"granularity": 10, "points": 0}]},
            "value must be at least 1 for dictionary value @ data['definition'][0]['points']",
            ["definition", "0", "points"],
        ),
        (
            {"name": "m", "definition": [{"granularity": 10, "points": "x"}]},
            "expected int for dictionary value @ data['definition'][0]['points']",
            ["definition", "0", "points"],
        ),
        (
            {"name": 1, "definition": DEFINITION},
            "expected str for dictionary value @ data['name']",
            ["name"],
        ),
        (
            {"name": "", "definition": DEFINITION},
            "length of value must be at least 1 for dictionary value @ data['name']",
            ["name"],
        ),
        (
            {"name": "x" * 256, "definition": DEFINITION},
            "length of value must be at most 255 for dictionary value @ data['name']",
            ["name"],
        ),
        (
            {"name": "m", "definition": DEFINITION, "back_window": -1},
            "value must be at least 0 for dictionary value @ data['back_window']",
            ["back_window"],
        ),
        (
            {"name": "m", "definition": DEFINITION, "back_window": None},
            "expected int for dictionary value @ data['back_window']",
            ["back_window"],
        ),
        (
            {"name": "m", "definition": DEFINITION, "aggregation_methods": ["mean", "wtf"]},
            "not a valid value @ data['aggregation_methods'][1]",
            ["aggregation_methods", "1"],
        ),
        (
            {"name": "m", "definition": DEFINITION, "aggregation_methods": "mean"},
            "expected a list for dictionary value @ data['aggregation_methods']",
            ["aggregation_methods"],
        ),
    ],
)
def test_a_body_that_is_no_policy_is_refused(
    admin: MetricClient, body: Any, reason: str, detail: list[str]
) -> None:
    told = error_of(admin.ask("POST", "/archive_policy", body), 400)
    assert told == {"cause": "Invalid input", "reason": reason, "detail": detail}
    assert not ArchivePolicy.objects.exists()


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (
            [{"granularity": 1, "points": 60, "timespan": "0:01:01"}],
            "timespan ≠ granularity × points",
        ),
        (
            [{"granularity": "1s", "points": 60}, {"granularity": 1.0}],
            "More than one archive policy uses granularity `1.0'",
        ),
        ([{"points": 5}], "At least two of granularity/points/timespan must be provided"),
        ([{}], "At least two of granularity/points/timespan must be provided"),
        (
            [{"granularity": "2 hour", "timespan": "1 hour"}],
            "Calculated number of points is < 0",
        ),
    ],
)
def test_a_definition_that_can_not_be_is_refused(
    admin: MetricClient, items: list[Any], text: str
) -> None:
    body = {"name": "m", "definition": items}
    assert error_of(admin.ask("POST", "/archive_policy", body), 400) == text


def test_a_name_that_would_be_no_address_is_refused(admin: MetricClient) -> None:
    refused = admin.ask("POST", "/archive_policy", {**LOW, "name": "a/b"})
    assert error_of(refused, 400).startswith("'/' is not supported")


@pytest.mark.parametrize("text", ["a\x00b", "\x00"])
def test_what_can_not_be_stored_is_refused(admin: MetricClient, text: str) -> None:
    error_of(admin.ask("POST", "/archive_policy", {**LOW, "name": text}), 400)
    assert error_of(admin.ask("GET", "/archive_policy/a%00b"), 400)


# --- policies: changed and deleted -------------------------------------------------------------


@pytest.fixture
def medium(admin: MetricClient) -> str:
    items = [{"granularity": "1 second", "points": 20}, {"granularity": "2 second"}]
    admin.make("/archive_policy", {"name": "medium", "definition": items})
    return "medium"


@pytest.mark.parametrize("path", ["/archive_policy/medium", "/archive_policy//medium"])
def test_how_long_a_policy_keeps_may_change(admin: MetricClient, medium: str, path: str) -> None:
    items = [{"granularity": 2}, {"granularity": 1, "points": 50}]
    answer = admin.ask("PATCH", path, {"definition": items, "back_window": 5})
    assert answer.status_code == 200
    assert answer.json() == admin.fetch("/archive_policy/medium")
    assert answer.json()["back_window"] == 5
    assert answer.json()["definition"][1]["timespan"] == "0:00:50"
    kept = admin.ask("PATCH", path, {"definition": items}).json()
    assert kept["back_window"] == 5


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (
            [{"granularity": 1, "points": 50, "timespan": "1 hour"}, {"granularity": 2}],
            "timespan ≠ granularity × points",
        ),
        (
            [{"granularity": 1, "points": 50}],
            "Archive policy medium does not support change: Cannot add or drop granularities",
        ),
        (
            [{"granularity": 5, "points": 20}, {"granularity": 2}],
            "Archive policy medium does not support change: 1.0 granularity interval was changed",
        ),
    ],
)
def test_granularities_may_not(
    admin: MetricClient, medium: str, items: list[Any], text: str
) -> None:
    before = admin.fetch("/archive_policy/medium")
    refused = admin.ask("PATCH", "/archive_policy/medium", {"definition": items})
    assert error_of(refused, 400) == text
    assert admin.fetch("/archive_policy/medium") == before


@pytest.mark.parametrize(
    ("body", "detail"),
    [({}, ["definition"]), ({"definition": DEFINITION, "name": "x"}, ["name"])],
)
def test_nothing_else_of_a_policy_changes(
    admin: MetricClient, medium: str, body: Any, detail: list[str]
) -> None:
    told = error_of(admin.ask("PATCH", "/archive_policy/medium", body), 400)
    assert (told["cause"], told["detail"]) == ("Invalid input", detail)


def test_a_policy_that_nothing_uses_is_deleted(admin: MetricClient, medium: str) -> None:
    answer = admin.ask("DELETE", "/archive_policy/medium")
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("GET", "DELETE"):
        told = error_of(admin.ask(method, "/archive_policy/medium"), 404)
        assert told == "Archive policy medium does not exist"
    told = error_of(admin.ask("PATCH", "/archive_policy/x", {"definition": DEFINITION}), 404)
    assert told == "Archive policy x does not exist"


def test_a_policy_in_use_stays(admin: MetricClient) -> None:
    admin.make("/archive_policy", LOW)
    metric = make_metric("low")
    told = error_of(admin.ask("DELETE", "/archive_policy/low"), 400)
    assert told == "Archive policy low is still in use"
    metric.delete()
    admin.make("/archive_policy_rule", RULE)
    error_of(admin.ask("DELETE", "/archive_policy/low"), 400)
    admin.ask("DELETE", "/archive_policy_rule/r")
    assert admin.ask("DELETE", "/archive_policy/low").status_code == 204


# --- rules -------------------------------------------------------------------------------------


@pytest.fixture
def low(admin: MetricClient) -> str:
    admin.make("/archive_policy", LOW)
    return "low"


def test_a_rule_is_made_and_read(admin: MetricClient, jd: MetricClient, low: str) -> None:
    answer = admin.ask("POST", "/archive_policy_rule", RULE)
    assert answer.status_code == 201
    assert answer["Location"] == f"{ROOT}/archive_policy_rule/r"
    assert answer.json() == RULE
    assert jd.fetch("/archive_policy_rule/r") == RULE


def test_rules_are_listed_as_they_are_tried(admin: MetricClient, low: str) -> None:
    for name, pattern in (("b", "*"), ("c", "disk.io.*"), ("a", "*"), ("d", "disk.*")):
        admin.make("/archive_policy_rule", {**RULE, "name": name, "metric_pattern": pattern})
    rules = admin.fetch("/archive_policy_rule")
    assert [rule["name"] for rule in rules] == ["c", "d", "a", "b"]


def test_a_rule_needs_a_policy_that_is_there(admin: MetricClient) -> None:
    told = error_of(admin.ask("POST", "/archive_policy_rule", RULE), 400)
    assert told == {"cause": "Archive policy does not exist", "detail": "low"}


def test_a_rules_name_is_taken_once(admin: MetricClient, low: str) -> None:
    admin.make("/archive_policy_rule", RULE)
    told = error_of(admin.ask("POST", "/archive_policy_rule", RULE), 409)
    assert told == "Archive policy rule r already exists"


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        ({"whaa": "foobar"}, "extra keys not allowed @ data['whaa']", ["whaa"]),
        (
            {**RULE, "metric_pattern": None},
            "expected str for dictionary value @ data['metric_pattern']",
            ["metric_pattern"],
        ),
        (
            {"name": "r", "metric_pattern": "x"},
            "required key not provided @ data['archive_policy_name']",
            ["archive_policy_name"],
        ),
    ],
)
def test_a_body_that_is_no_rule_is_refused(
    admin: MetricClient, low: str, body: Any, reason: str, detail: list[str]
) -> None:
    told = error_of(admin.ask("POST", "/archive_policy_rule", body), 400)
    assert told == {"cause": "Invalid input", "reason": reason, "detail": detail}


@pytest.mark.parametrize("path", ["/archive_policy_rule/r", "/archive_policy_rule//r"])
def test_a_rule_is_renamed(admin: MetricClient, low: str, path: str) -> None:
    admin.make("/archive_policy_rule", RULE)
    answer = admin.ask("PATCH", path, {"name": "é"})
    assert answer.status_code == 200
    assert answer.json() == {**RULE, "name": "é"} == admin.fetch("/archive_policy_rule/%C3%A9")
    told = error_of(admin.ask("GET", "/archive_policy_rule/r"), 404)
    assert told == "Archive policy rule r does not exist"


def test_a_rule_takes_no_name_that_is_another_ones(admin: MetricClient, low: str) -> None:
    admin.make("/archive_policy_rule", RULE)
    admin.make("/archive_policy_rule", {**RULE, "name": "s"})
    told = error_of(admin.ask("PATCH", "/archive_policy_rule/r", {"name": "s"}), 400)
    assert told == (
        "Archive policy rule r does not support change: Archive policy rule s already exists."
    )
    assert admin.ask("PATCH", "/archive_policy_rule/r", {"name": "r"}).status_code == 200


def test_a_rename_says_the_new_name(admin: MetricClient, low: str) -> None:
    admin.make("/archive_policy_rule", RULE)
    told = error_of(admin.ask("PATCH", "/archive_policy_rule/r"), 400)
    assert told["cause"] == "Unable to decode body"
    told = error_of(admin.ask("PATCH", "/archive_policy_rule/r", {}), 400)
    assert told["detail"] == ["name"]


def test_a_rule_is_deleted(admin: MetricClient, low: str) -> None:
    admin.make("/archive_policy_rule", RULE)
    assert admin.ask("DELETE", "/archive_policy_rule/r").status_code == 204
    for method, body in (("DELETE", None), ("PATCH", {"name": "s"})):
        told = error_of(admin.ask(method, "/archive_policy_rule/r", body), 404)
        assert told == "Archive policy rule r does not exist"


# --- who may, and in which form ----------------------------------------------------------------

CHANGES = [
    ("POST", "/archive_policy"),
    ("PATCH", "/archive_policy/low"),
    ("DELETE", "/archive_policy/low"),
    ("POST", "/archive_policy_rule"),
    ("PATCH", "/archive_policy_rule/r"),
    ("DELETE", "/archive_policy_rule/r"),
]
READS = ["/archive_policy", "/archive_policy/low", "/archive_policy_rule", "/archive_policy_rule/r"]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_only_administrators_change_anything(jd: MetricClient, method: str, path: str) -> None:
    """403 comes before anything about the body or the object is said."""
    assert error_of(jd.ask(method, path, {"cowsay": "moo"}), 403) == ""
    assert error_of(jd.ask(method, path, None, "text/plain"), 403) == ""


@pytest.mark.parametrize(("method", "path"), [*CHANGES, *(("GET", path) for path in READS)])
def test_nobody_may_nothing(nobody: MetricClient, method: str, path: str) -> None:
    assert error_of(nobody.ask(method, path, {}), 401) == ""
    refused = nobody.ask(method, path, {}, Accept="", Authorization="basic ")
    assert refused.status_code == 401
    assert refused.content.decode().startswith(
        "401 Unauthorized\n\nThis server could not verify that you are authorized"
    )


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("accept", ["text/plain", "text/html"])
def test_there_is_nothing_but_json(jd: MetricClient, path: str, accept: str) -> None:
    refused = jd.ask("GET", path, Accept=accept)
    assert refused.status_code == 406
    assert "406 Not Acceptable" in refused.content.decode()


@pytest.mark.parametrize(("method", "path"), [c for c in CHANGES if c[0] != "DELETE"])
@pytest.mark.parametrize("content_type", ["text/plain", "", "application/json-patch+json"])
def test_another_type_of_body_is_not_read(
    admin: MetricClient, method: str, path: str, content_type: str
) -> None:
    assert error_of(admin.ask(method, path, LOW, content_type), 415) == ""


def test_the_type_of_a_body_may_have_parameters(admin: MetricClient) -> None:
    answer = admin.ask("POST", "/archive_policy", LOW, "application/json; charset=utf-8")
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/archive_policy", "GET, HEAD, POST"),
        ("DELETE", "/archive_policy", "GET, HEAD, POST"),
        ("POST", "/archive_policy/low", "GET, HEAD, PATCH, DELETE"),
        ("PUT", "/archive_policy_rule/r", "GET, HEAD, PATCH, DELETE"),
        ("PATCH", "/archive_policy_rule", "GET, HEAD, POST"),
    ],
)
def test_other_methods_are_refused(jd: MetricClient, method: str, path: str, allowed: str) -> None:
    refused = jd.ask(method, path, {})
    assert error_of(refused, 405) == ""
    assert refused["Allow"] == allowed


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/metric", {"archive_policy_name": "nope"}),
        ("/resource/generic", {"id": "new", "metrics": {
            "a": {"archive_policy_name": "low"}, "b": {"archive_policy_name": "nope"}}}),
        ("/resource/generic/vm/metric", {"b": {"archive_policy_name": "nope"}}),
        ("/batch/resources/metrics/measures?create_metrics=true", {"vm": {"b": {
            "archive_policy_name": "nope",
            "measures": [{"timestamp": "2026-11-20T10:00:00", "value": 1}]}}}),
    ],
)  # fmt: skip
def test_metrics_of_a_policy_that_is_not_there_are_refused(
    admin: MetricClient, path: str, body: Any
) -> None:
    admin.make("/archive_policy", LOW)
    admin.make("/resource/generic", {"id": "vm"})
    answer = admin.ask("POST", path, body)
    assert answer.status_code == 400
    assert b"Archive policy nope does not exist" in answer.content
    assert not Metric.objects.exists()
    assert Resource.objects.count() == 1
