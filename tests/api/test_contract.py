"""Schemathesis on our own OpenAPI: what the schema says is what the door does, and never a 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from alarms import trying
from meters.api import admission
from telemetry_site.auth import tokens
from tests.api.people import token_of
from tests.api.world import World
from tests.security.operations import schema

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_once")]
#: The root takes nothing that could be varied.
OPERATIONS = [
    operation
    for found in schemathesis.openapi.from_dict(schema()).get_all_operations()
    if (operation := found.ok()).path != "/api/"
]
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]


@pytest.fixture
def one_connection() -> Iterator[None]:
    """The test's transaction survives the requests (as with Django's own test client)."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def ids(world: World, people: dict[str, User]) -> dict[str, dict[str, Any]]:
    """Ids that exist, by the first word of the path."""
    token, _ = tokens.issue(people["member"].pk, "x", frozenset(["read"]))
    return {
        "resources": {"uuid": str(world.vm.uuid)},
        "metrics": {"uuid": str(world.cpu.uuid)},
        "events": {"message_id": world.event.message_id},
        "sources": {"id": world.source.pk},
        "quarantine": {"id": world.quarantined.pk},
        "tokens": {"id": token.pk},
        "alarms": {"uuid": str(world.alarm.pk)},
        "notifications": {"uuid": str(world.notification.pk)},
        "silences": {"uuid": str(world.silence.pk)},
        "inhibitions": {"uuid": str(world.inhibition.pk)},
        "receivers": {"uuid": str(world.receiver.pk)},
        "routes": {"uuid": str(world.route.pk)},
    }


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_the_door_keeps_its_schema(
    operation: Any,
    mode: GenerationMode,
    ids: dict[str, dict[str, Any]],
    people: dict[str, User],
    one_connection: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "_buckets", admission.Buckets(1e9, 1e9))
    monkeypatch.setattr(trying, "PATIENCE_S", 0.0)  # no notifier runs beside
    application = operation.schema.app = get_wsgi_application()
    headers = {"Authorization": f"Bearer {token_of(people['admin'])}"}
    known = ids.get(operation.path.split("/")[2], {})

    @given(case=operation.as_strategy(mode), exists=st.booleans())
    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any, exists: bool) -> None:
        if exists and case.path_parameters:
            case.path_parameters = dict(known)
        case.call_and_validate(headers=headers, checks=CHECKS, app=application)

    check()
