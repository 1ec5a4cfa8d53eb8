"""Posting samples: what is taken, for whom, and that a mistake stores nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from meters.api import admission
from meters.models import HeadSample, Metric
from telemetry_site.signatures import signature
from tests.api.alarming.people import fault_of
from tests.api.metering.people import ClassicClient, measured, sample, text
from tests.support.batches import resource


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full buckets and no memory of commits."""
    rate, burst = settings.TELEMETRY_INGEST_RATE, settings.TELEMETRY_INGEST_BURST
    monkeypatch.setattr(admission, "_buckets", admission.Buckets(rate, burst))
    monkeypatch.setattr(admission, "commits", admission.CommitTimes())


def test_what_is_posted_is_told_back_and_there(member: ClassicClient) -> None:
    (told,) = member.posted(
        sample(counter_volume="3.5", resource_metadata={"flavor.name": "m1", "n": "5"})
    )
    assert list(told) == [
        "source", "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id",
        "project_id", "resource_id", "timestamp", "resource_metadata", "message_id",
    ]  # fmt: skip
    assert told["counter_volume"] == 3.5
    assert (told["source"], told["project_id"], told["user_id"]) == ("p1:openstack", "p1", "u1")
    assert told["resource_metadata"] == {"flavor.name": "m1", "n": "5"}
    (found,) = member.listed("/meters/apples")
    assert found.pop("recorded_at") == text(0)
    assert found == told
    assert member.listed("/samples", ("metadata.flavor.name", "eq", "m1"))
    assert member.listed("/samples", ("metadata.n", "eq", "5"))


def test_it_is_the_one_store(member: ClassicClient) -> None:
    member.posted(sample())
    metric = Metric.objects.get(name="apples")
    assert (metric.type, metric.unit, metric.resource.creator) == ("gauge", "item", "p1")
    assert HeadSample.objects.filter(series_id=metric.pk).count() == 1


def test_a_time_is_told_back_as_it_was_sent(member: ClassicClient) -> None:
    sent = text(7200) + "+02:00"
    (told,) = member.posted(sample(timestamp=sent, recorded_at="2024-01-01"))
    assert (told["timestamp"], told["recorded_at"]) == (sent, "2024-01-01T00:00:00")
    (found,) = member.listed("/meters/apples")
    assert found["timestamp"] == text(0)


def test_without_a_time_it_is_of_now(member: ClassicClient) -> None:
    (told,) = member.posted(sample(timestamp=...))
    (found,) = member.listed("/samples")
    assert (found["timestamp"], found["id"]) == (told["timestamp"], told["message_id"])


def test_direct_is_a_word_of_consent_or_not(member: ClassicClient) -> None:
    for place, word in enumerate(("True", "1", "no", "what")):
        answer = member.ask(
            "POST", f"/meters/apples?direct={word}", [sample(timestamp=text(place))]
        )
        assert answer.status_code == 201
    assert len(member.listed("/samples")) == 4


def test_each_sample_keeps_the_metadata_that_it_came_with(member: ClassicClient) -> None:
    member.posted(
        *(sample(timestamp=text(n), resource_metadata={"name": name}, user_id=name)
          for n, name in ((30, "c"), (10, "a"), (20, "b"), (40, "c"), (50, "a")))
    )  # fmt: skip
    found = member.listed("/samples")
    assert [one["metadata"]["name"] for one in found] == ["a", "c", "c", "b", "a"]
    assert [one["user_id"] for one in found] == ["a", "c", "c", "b", "a"]


def test_a_name_may_hold_slashes(member: ClassicClient) -> None:
    member.posted(sample(counter_name="a/b", resource_id="c/d"))
    assert member.fetch("/resources/c/d")["resource_id"] == "c/d"


def test_an_administrator_posts_for_any_project_and_for_none(admin: ClassicClient) -> None:
    admin.posted(
        sample(project_id="p1", user_id="x"), sample(project_id="p2", timestamp=text(1)),
        sample(timestamp=text(2)),
    )  # fmt: skip
    found = admin.listed("/samples")
    assert [one["project_id"] for one in found] == ["admin-p", "p2", "p1"]
    nobody_s = ClassicClient("admin-u", "", "admin")
    (told,) = nobody_s.posted(sample(timestamp=text(3)))
    assert (told["project_id"], told["source"]) == (None, "None:openstack")


def test_who_is_none_posts_for_the_own_project_only(
    member: ClassicClient, admin: ClassicClient
) -> None:
    body = [sample(), sample(project_id="p2", timestamp=text(1))]
    words = fault_of(member.ask("POST", "/meters/apples", body), 400)
    assert words == (
        "Invalid input for field/attribute project_id. Value: 'p2'. "
        "can not post samples to other projects"
    )
    assert admin.listed("/samples") == []
    fault_of(ClassicClient("u", "", "member").ask("POST", "/meters/apples", [sample()]), 403)


def test_any_role_posts_for_the_own_project_and_any_user() -> None:
    for place, role in enumerate(("reader", "member", "service", "")):
        client = ClassicClient("u1", "p1", role)
        (told,) = client.posted(sample(timestamp=text(place), user_id="somebody"))
        assert (told["project_id"], told["user_id"]) == ("p1", "somebody")


def test_nobody_alters_what_another_sees(member: ClassicClient, stranger: ClassicClient) -> None:
    measured((resource("vm-1"), "cpu", 1.0, 0))
    before = member.fetch("/resources/vm-1")
    stranger.posted(sample(counter_name="cpu", resource_id="vm-1", timestamp=text(600)))
    assert member.fetch("/resources/vm-1") == before
    assert [one["counter_volume"] for one in member.listed("/meters/cpu")] == [1.0]
    (own,) = stranger.listed("/resources")
    assert (own["resource_id"], own["project_id"]) == ("vm-1", "p2")


REFUSED = [
        *(({name: None}, f"attribute {name}. Value: 'None'. Mandatory field missing.")
          for name in ("counter_name", "counter_type", "counter_unit", "counter_volume",
                       "resource_id")),
        ({"counter_unit": ...}, "Mandatory field missing."),
        ({"counter_name": "cars"},
         "Invalid input for field/attribute counter_name. Value: 'cars'. should be apples"),
        ({"counter_type": "x"}, "The counter type must be: gauge, delta, cumulative"),
        ({"counter_volume": "abc"}, "could not convert string to float: 'abc'"),
        ({"counter_volume": "nan"}, "finite"),
        ({"counter_volume": 10**400}, "too large"),
        ({"counter_volume": [1]}, "Wrong type. Expected '<class 'float'>', got '<class 'list'>'"),
        ({"resource_id": 5}, "Wrong type. Expected '<class 'str'>', got '<class 'int'>'"),
        ({"resource_id": "\n"}, "control character"),
        ({"resource_id": "x" * 256}, "255"),
        ({"user_id": 5}, "Wrong type"),
        ({"timestamp": "junk"}, "Invalid input for field/attribute samples"),
        ({"timestamp": 5}, "Invalid input for field/attribute samples"),
        ({"timestamp": "2190-01-01"}, "Nothing was stored."),
        ({"timestamp": "1971-01-01"}, "Nothing was stored."),
        ({"recorded_at": "junk"}, "Invalid input for field/attribute samples"),
        ({"resource_metadata": "x"}, "Invalid input for field/attribute samples"),
        ({"resource_metadata": None}, "Invalid input for field/attribute samples"),
        ({"resource_metadata": {"a": 5}}, "a is not a text"),
        ({"resource_metadata": {"a": {"b": "c"}}}, "a is not a text"),
        ({"resource_metadata": {".".join("abcdefghij"): "x"}}, "resource_metadata"),
        ({"message_id": "x"}, "The message_id must not be set"),
        ({"bogus": 1}, "Unknown attribute for argument samples: bogus"),
    ]  # fmt: skip


def test_what_is_wrong_is_said_and_nothing_stored(member: ClassicClient) -> None:
    for change, words in REFUSED:
        body = [sample(), sample(**{"timestamp": text(1), **change})]
        assert words in fault_of(member.ask("POST", "/meters/apples", body), 400)
        assert member.listed("/samples") == []


EMPTY = [b"", b"[]", b'""', b"null"]


def test_there_must_be_samples(member: ClassicClient) -> None:
    for raw in EMPTY:
        words = fault_of(member.ask("POST", "/meters/apples", raw=raw), 400)
        assert words == "Samples should be included in request body"


SHAPELESS = [{"samples": []}, sample(), "x", 5, [5], [[]]]


def test_the_body_is_a_bare_list_of_objects(member: ClassicClient) -> None:
    for body in SHAPELESS:
        words = fault_of(member.ask("POST", "/meters/apples", body), 400)
        assert words.startswith("Invalid input for field/attribute samples")


def test_what_is_no_json(member: ClassicClient) -> None:
    words = fault_of(member.ask("POST", "/meters/apples", raw=b"[NaN]"), 400)
    assert words == "Request is not in valid JSON format"
    answer = member.ask("POST", "/meters/apples", raw=b"x", content_type="text/plain")
    assert fault_of(answer, 415) == "Unknown mimetype: text/plain"


def test_a_signature_must_fit_where_there_is_a_secret(member: ClassicClient, settings: Any) -> None:
    settings.TELEMETRY_SAMPLE_SECRET = "s3cret"
    signed = sample(resource_metadata={"a": "b"})
    signed["message_signature"] = signature(signed, "s3cret")
    (told,) = member.posted(signed)
    assert "message_signature" not in told
    forged = signed | {"counter_volume": 2}
    words = fault_of(member.ask("POST", "/meters/apples", [forged]), 400)
    assert "message_signature" in words
    assert "s3cret" not in words
    assert [one["volume"] for one in member.listed("/samples")] == [1.0]
    member.posted(sample(timestamp=text(1)))


def test_a_project_posts_no_faster_than_it_may(
    member: ClassicClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_buckets", admission.Buckets(1, 1))
    body = [sample(), sample(timestamp=text(1))]
    fault_of(member.ask("POST", "/meters/apples", body), 429)
    assert member.listed("/samples") == []
