"""Resources that several requests make at the same time."""

from __future__ import annotations

import threading
import uuid
from collections import Counter

import pytest
from django.db import connection, transaction

from meters.default_policies import make_default_policies
from meters.metric_api import making
from meters.models import Metric, Resource, ResourceType
from tests.api.metric.people import MetricClient

ROUNDS = 10
MAKERS = 3

pytestmark = pytest.mark.django_db(transaction=True)


def make(body: dict[str, object], statuses: list[int], begin: threading.Barrier) -> None:
    try:
        client = MetricClient("admin")
        begin.wait()
        statuses.append(client.ask("POST", "/resource/generic", body).status_code)
    finally:
        connection.close()


def test_of_several_that_make_one_resource_one_does() -> None:
    make_default_policies()
    ResourceType.objects.get_or_create(name="generic")  # a flush of the tables took it
    for _ in range(ROUNDS):
        body = {"id": str(uuid.uuid4()), "metrics": {"cpu": {"archive_policy_name": "low"}}}
        statuses: list[int] = []
        begin = threading.Barrier(MAKERS)
        makers = [
            threading.Thread(target=make, args=(body, statuses, begin)) for _ in range(MAKERS)
        ]
        for one in makers:
            one.start()
        for one in makers:
            one.join(30)
        assert Counter(statuses) == {201: 1, 409: MAKERS - 1}
    assert Resource.objects.count() == Metric.objects.count() == ROUNDS


def test_makers_of_different_resources_do_not_wait_for_each_other() -> None:
    ResourceType.objects.get_or_create(name="generic")
    statuses: list[int] = []
    with transaction.atomic():
        making.share_catalogue()  # another request's, before its commit
        body: dict[str, object] = {"id": str(uuid.uuid4())}
        maker = threading.Thread(target=make, args=(body, statuses, threading.Barrier(1)))
        maker.start()
        maker.join(20)
        assert statuses == [201]
    maker.join(30)
