"""Fixtures of the fault tests: `cluster` on both brokers, `dice` with a seed to repeat."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.brokers import Broker, RabbitBroker, ValkeyBroker
from tests.faults.cluster import Cluster, make_template, running
from tests.integration.conftest import fresh_store as fresh_store

SEED = int(os.environ.get("TELEMETRY_FAULT_SEED") or random.randrange(10**6))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What breaks a cluster is marked, so that it can be run by itself (`make faults`)."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("fault")


@pytest.fixture
def dice() -> random.Random:
    """Seeded; a failing test shows the seed to repeat it with."""
    print(f"TELEMETRY_FAULT_SEED={SEED}")
    return random.Random(SEED)


@pytest.fixture
def house() -> Iterator[Path]:
    """A state directory with a short name: its sockets must lie in it, not beside it.

    TELEMETRY_FAULT_KEEP=1 leaves it, with the logs, and prints where.
    """
    directory = Path(tempfile.mkdtemp(prefix="house-"))
    yield directory
    if os.environ.get("TELEMETRY_FAULT_KEEP"):
        print(f"kept: {directory}")
    else:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A migrated database of this pytest process, for clusters to begin with."""
    directory = Path(tempfile.mkdtemp(prefix="house-"))
    yield make_template(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["valkey", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def broker(request: pytest.FixtureRequest, house: Path) -> Broker:
    """Not started yet. `@on_valkey` or `@on_rabbitmq` where the test makes sense on one only."""
    if request.param == "valkey":
        return ValkeyBroker(house)
    return RabbitBroker(request.getfixturevalue("rabbitmq"), house.name)


@pytest.fixture
def cluster(house: Path, broker: Broker, template: Path) -> Iterator[Cluster]:
    """Servers and proxies are up, no role yet."""
    with running(Cluster(house, broker, template, SEED)) as started:
        yield started
