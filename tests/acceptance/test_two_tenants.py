"""Two tenants at once, with clients that hang up: nobody gets another's answer (S49)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from django.contrib.auth.models import User

from telemetry_site.auth import tokens
from telemetry_site.auth.principal import ALL_SCOPES
from tests.api.people import P1, P2, make_people
from tests.api.world import make_world
from tests.integration.conftest import fresh_store  # noqa: F401 - a fixture
from tests.support.web import running_web

THREADS = 64
REQUESTS = 12


@pytest.fixture
def site(
    fresh_store: None,  # noqa: F811
    process_env: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> Iterator[str]:
    with running_web(process_env, tmp_path / "web.log") as address:
        yield f"{address}/api/resources"


def token(user: User) -> str:
    return tokens.issue(user.pk, "x", ALL_SCOPES)[1]


def test_every_answer_carries_its_own_project_only(site: str) -> None:
    people = make_people()
    make_world()
    texts = {P1: token(people["reader"]), P2: token(people["stranger"])}
    wrong: list[str] = []
    answered: list[str] = []

    def ask(place: int) -> None:
        chance = random.Random(place)
        for _ in range(REQUESTS):
            project = chance.choice([P1, P2])
            try:
                answer = requests.get(
                    site,
                    headers={"Authorization": f"Bearer {texts[project]}"},
                    timeout=chance.choice([0.01, 30]),
                )
            except requests.RequestException:
                continue  # hung up
            rows = answer.json().get("results", [])
            answered.append(project)
            if answer.status_code != 200 or {row["project_id"] for row in rows} != {project}:
                wrong.append(answer.text)

    threads = [threading.Thread(target=ask, args=[place]) for place in range(THREADS)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert {P1, P2} == set(answered)
    assert time.monotonic() - begun < 120
