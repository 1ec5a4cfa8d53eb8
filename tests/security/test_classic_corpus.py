"""Bad input to the metering and event API: no 5xx, and what is stored comes back as it was sent."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from meters.api import admission
from meters.models import CatalogueEpoch
from meters.store import write
from tests.api.metering.people import ClassicClient, asked, sample, text
from tests.security.corpus import BAD_JSON, TEXTS

pytestmark = pytest.mark.django_db


@pytest.fixture
def member(settings: Any, monkeypatch: pytest.MonkeyPatch) -> ClassicClient:
    settings.TELEMETRY_NOAUTH = True
    monkeypatch.setattr(admission, "_buckets", admission.Buckets(1e9, 1e9))
    CatalogueEpoch.objects.get_or_create(pk=1)
    write._cache.clear()
    return ClassicClient("u1", "p1", "member")


def test_in_conditions(member: ClassicClient) -> None:
    member.posted(sample())
    for one in TEXTS:
        terms = [("resource_id", "eq", one), ("metadata.a", "eq", one)]
        for path, query in (
            ("/samples", asked(*terms)),
            ("/meters/apples/statistics", asked((f"metadata.{one}", "eq", "x"), groupby=one)),
            ("/events", asked((one, "gt", one))),
            ("/resources", asked(("source", "eq", one), marker=one)),
        ):
            answer = member.ask("GET", f"{path}?{query}")
            assert answer.status_code in (200, 400), (path, one, answer.content)


def test_in_complex_queries(member: ClassicClient) -> None:
    member.posted(sample())
    for one in TEXTS:
        query = {"or": [{"=~": {"meter": one}}, {"=": {f"metadata.{one}": one}}]}
        answer = member.ask("POST", "/query/samples", {"filter": json.dumps(query)})
        assert answer.status_code in (200, 400), (one, answer.content)


def test_posted(member: ClassicClient) -> None:
    """What is taken is found under its name."""
    taken = 0
    for place, one in enumerate(TEXTS):
        body = sample(resource_id=one, timestamp=text(place), resource_metadata={"k": one})
        answer = member.ask("POST", "/meters/apples", [body])
        assert answer.status_code in (201, 400), (one, answer.content)
        if answer.status_code == 201:
            taken += 1
            (found,) = member.listed("/samples", ("timestamp", "ge", text(place)))
            assert (found["resource_id"], found["metadata"]) == (one, {"k": one})
            if one == "/".join(part for part in one.split("/") if part):
                path = f"/resources/{quote(one, safe='')}"
                assert member.fetch(path)["resource_id"] == one
    assert taken > 30


def test_what_is_no_json(member: ClassicClient) -> None:
    for body in BAD_JSON:
        for path in ("/meters/apples", "/query/samples"):
            answer = member.ask("POST", path, raw=body)
            assert 400 <= answer.status_code < 500, (path, body, answer.content)
