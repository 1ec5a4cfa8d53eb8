"""Bad input never gives a 5xx, and what is stored comes back as it was sent (W6, 5.6)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from alarms.choices import Type
from meters.api import admission
from meters.models import Resource
from tests.api.people import Client, error_of
from tests.api.world import World
from tests.security.corpus import BAD_JSON, HEADERS, TEXTS
from tests.security.operations import query_parameters
from tests.support.alarms import group, threshold

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_once")]

#: Every parameter of the schema, and the operators of traits.
CASES = [
    *query_parameters(),
    *(("/api/events", f"trait.x__{operator}") for operator in ("gt", "le", "ne")),
]
#: Some need others beside them.
BESIDE = {
    "/api/statistics": {"meter": "cpu"},
    "/api/why": {"resource": "vm-1", "meter": "cpu"},
}


@pytest.fixture(autouse=True)
def _wide_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_buckets", admission.Buckets(1e9, 1e9))


@pytest.fixture
def postgres_errors(world: World, home: Any) -> Iterator[None]:
    """The server's log gains no syntax error meanwhile (S16)."""
    log = home / "postgres.log"
    begin = log.stat().st_size
    yield
    with open(log, "rb") as file:
        file.seek(begin)
        assert b"syntax error" not in file.read()


def timely(send: Callable[[], Any]) -> Any:
    """The answer, which must come within a second.

    Asked up to three times: what hangs, hangs each time, while a busy machine does not.
    """
    took = []
    for _ in range(3):
        begun = time.monotonic()
        answer = send()
        took.append(time.monotonic() - begun)
        if took[-1] < 1:
            return answer
    raise AssertionError(f"slow each time: {took}")


def answered(send: Callable[[], Any]) -> None:
    """200, or a refusal in the door's shape; never slow."""
    answer = timely(send)
    if answer.status_code != 200:
        assert answer.status_code in (400, 404), (answer.status_code, answer.content[:300])
        error_of(answer, answer.status_code)


@pytest.mark.parametrize(("path", "name"), CASES)
def test_every_parameter_takes_every_text(
    admin: Client, postgres_errors: None, path: str, name: str
) -> None:
    beside = {one: value for one, value in BESIDE.get(path, {}).items() if one != name}
    for text in TEXTS:
        url = f"{path}?{name}={quote(text)}&{urlencode(beside)}".rstrip("&")
        answered(partial(admin.get, url))


@pytest.mark.parametrize("prefix", ["metadata.", "trait.", ""])
def test_every_text_may_be_a_parameters_name(
    admin: Client, postgres_errors: None, prefix: str
) -> None:
    path = "/api/events" if prefix == "trait." else "/api/resources"
    for text in TEXTS:
        for suffix in ("", "__gt") if prefix == "trait." else ("",):
            url = f"{path}?{quote(prefix + text + suffix, safe='')}=1"
            answered(partial(admin.get, url))


@pytest.mark.parametrize(
    "query",
    [
        "limit=1&limit=2", "a[]=1", "limit=1;limit=2", "%zz=1", "q=%zz", "=1", "&&&", "q", "%ff=1",
        "q=%ff", "q=%ed%a0%80", "&".join(f"p{n}=1" for n in range(10_000)), "q=" + "a" * 65_536,
        "metadata.=1", "trait.=1", "q=a+b", "+=1",
    ],
)  # fmt: skip
def test_every_query_string_is_answered(admin: Client, world: World, query: str) -> None:
    answered(partial(admin.get, f"/api/resources?{query}"))


@pytest.mark.parametrize("path", ["/api/resources", "/api/metrics", "/api/events", "/api/sources",
                                  "/api/tokens", "/api/quarantine", "/api/alarms",
                                  "/api/notifications", "/api/silences"])  # fmt: skip
def test_every_text_in_a_path_is_answered(admin: Client, world: World, path: str) -> None:
    for text in TEXTS:
        answer = admin.get(f"{path}/{quote(text, safe='')}")
        if answer.status_code != 200:  # "" and "." are the list itself
            error_of(answer, answer.status_code)
            assert answer.status_code in (400, 404, 405)


@pytest.mark.parametrize("body", BAD_JSON)
@pytest.mark.parametrize("path", ["/api/samples", "/api/tokens", "/api/quarantine/discard",
                                  "/api/quarantine/replay", "/api/alarms",
                                  "/api/alarms/preview", "/api/silences",
                                  "/api/silences/preview", "/api/inhibitions"])  # fmt: skip
def test_every_body_that_is_no_json_is_a_400(admin: Client, path: str, body: bytes) -> None:
    error_of(timely(partial(admin.post, path, body, content_type="application/json")), 400)


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("name", ["Idempotency-Key", "Authorization", "Content-Encoding", "Accept",
                                  "X-Project-Id", "Content-Type", "Cookie"])  # fmt: skip
def test_every_header_is_answered(admin: Client, name: str, header: str) -> None:
    if name == "Content-Type":
        answer = admin.post("/api/samples", b"[]", content_type=header)
    else:
        answer = admin.post(
            "/api/samples", b"[]", content_type="application/json", headers={name: header}
        )
    assert 400 <= answer.status_code < 500
    error_of(answer, answer.status_code)


@pytest.mark.parametrize("field", ["resource_id", "meter", "unit", "resource_type"])
def test_every_text_of_a_sample_is_kept_or_refused_by_name(admin: Client, field: str) -> None:
    for text in TEXTS:
        body = [{"resource_id": "r", "meter": "m", "value": 1, "metadata": {}, field: text}]
        answer = admin.post(
            "/api/samples", json.dumps(body).encode(), content_type="application/json"
        )
        if answer.status_code == 201:
            assert text in stored_texts(admin, field), text
        else:
            assert error_of(answer, 400)["errors"][0]["field"] == f"[0].{field}"


def stored_texts(admin: Client, field: str) -> set[str]:
    """What stands in all answers under this name."""
    rows = admin.fetch("/api/metrics", limit=1000)["results"]
    if field in ("meter", "unit"):
        return {row["name" if field == "meter" else "unit"] for row in rows}
    return {row["resource"]["original_id" if field == "resource_id" else "type"] for row in rows}


def test_every_text_of_metadata_is_kept_or_refused_by_name(admin: Client) -> None:
    for text in TEXTS:
        for metadata, path in (({"key": text}, "key"), ({text: "value"}, "")):
            body = [{"resource_id": "r", "meter": "m", "value": 1, "metadata": metadata}]
            answer = admin.post(
                "/api/samples", json.dumps(body).encode(), content_type="application/json"
            )
            if answer.status_code == 201:
                assert Resource.objects.get(original_id="r").metadata == metadata
            else:
                field = error_of(answer, 400)["errors"][0]["field"]
                assert field.startswith(f"[0].metadata.{path}".rstrip("."))


@pytest.mark.parametrize(
    "value",
    [0, -1, 2**31, 2**63 - 1, 2**63, 2**64, 10**400, True, None, [], {}, 1e308, 0.1, "x"],
    ids=lambda value: repr(value)[:12],
)
def test_every_value_of_metadata_is_kept_or_refused(admin: Client, value: Any) -> None:
    body = [{"resource_id": "r", "meter": "m", "value": 1, "metadata": {"a": value}}]
    answer = admin.post("/api/samples", json.dumps(body).encode(), content_type="application/json")
    if answer.status_code == 201:
        kept = Resource.objects.get(original_id="r").metadata["a"]
        assert (float(kept) if isinstance(value, float) else kept) == value
        assert admin.get("/api/resources").status_code == 200
    else:
        error_of(answer, 400)


@pytest.mark.parametrize("name", ["name", "project_id", "scopes", "days"])
def test_every_text_of_a_token_is_kept_or_refused(admin: Client, name: str) -> None:
    for text in [*TEXTS, None, 5, 1.5, True, [], {}, [[]], {"a": 1}]:
        body: dict[str, Any] = {"name": "x", "scopes": ["read"], name: text}
        answer = admin.post(
            "/api/tokens", json.dumps(body).encode(), content_type="application/json"
        )
        if answer.status_code == 201:
            made = answer.json()
            assert name == "days" or made[name] == text
            admin.delete(f"/api/tokens/{made['id']}")
        else:
            error_of(answer, 400)


@pytest.mark.parametrize(
    "field",
    [
        "name", "description", "type", "severity", "enabled", "project_id", "alarm_actions[0]",
        "rule.metric", "rule.resource_id", "rule.resource_type", "rule.aggregation_method",
        "rule.comparison_operator", "rule.threshold", "rule.granularity",
    ],
)  # fmt: skip
def test_every_text_of_an_alarm_is_kept_or_refused_by_name(admin: Client, field: str) -> None:
    for text in [*TEXTS, None, 5, -1, 1.5, 10**400, True, [], {}, [[]], {"a": 1}]:
        alarm = {"name": "x", "type": Type.RESOURCE_THRESHOLD, "rule": threshold()}
        answer = posted(admin, with_text(alarm, field, text))
        if answer.status_code == 201:
            assert field_in(answer.json(), field) == text, text
            assert field_in(admin.fetch(answer["Location"]), field) == text, text
        else:
            assert error_of(answer, 400)["errors"][0]["field"] == field, text


@pytest.mark.parametrize("field", ["state", "reason"])
def test_every_text_of_a_state_is_kept_or_refused_by_name(
    admin: Client, world: World, field: str
) -> None:
    path = f"/api/alarms/{world.alarm.pk}/state"
    for text in [*TEXTS, None, 5, True, [], {}]:
        answer = admin.put(path, {"state": "ok", field: text}, format="json")
        if answer.status_code == 200:
            assert admin.fetch(path)[field] in (text, str(text)), text
        else:
            assert error_of(answer, 400)["errors"][0]["field"] == field, text


def test_every_text_of_a_query_is_kept_or_refused_by_name(admin: Client) -> None:
    for text in TEXTS:
        for query in (text, json.dumps({"=": {text: "x"}}), json.dumps({"like": {"x": text}})):
            alarm = {"name": "x", "type": Type.GROUP_THRESHOLD, "rule": group(query)}
            answer = posted(admin, alarm)
            if answer.status_code == 201:
                assert answer.json()["rule"]["query"] == query
                looked = {"type": alarm["type"], "rule": alarm["rule"]}
                timely(partial(admin.post, "/api/alarms/preview", looked, format="json"))
            else:
                assert error_of(answer, 400)["errors"][0]["field"] == "rule.query", query


def posted(admin: Client, alarm: dict[str, Any]) -> Any:
    body = json.dumps(alarm).encode()
    return admin.post("/api/alarms", body, content_type="application/json")


def with_text(alarm: dict[str, Any], field: str, text: Any) -> dict[str, Any]:
    if field == "alarm_actions[0]":
        return {**alarm, "alarm_actions": [text]}
    outer, _, inner = field.rpartition(".")
    return {**alarm, outer: {**alarm[outer], inner: text}} if outer else {**alarm, field: text}


def field_in(alarm: dict[str, Any], field: str) -> Any:
    if field == "alarm_actions[0]":
        return alarm["alarm_actions"][0]
    outer, _, inner = field.rpartition(".")
    return alarm[outer][inner] if outer else alarm[field]
