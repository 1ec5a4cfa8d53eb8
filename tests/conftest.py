"""Real servers for the tests: embedded PostgreSQL and Valkey in a temporary `TELEMETRY_HOME`.

Each pytest-xdist worker has servers of its own (0.7 s to start), so no test can meet another's
rows or messages. `telemetry_site/settings/test.py` chooses the directory.
"""

from __future__ import annotations

import os
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import TransactionTestCase

from telemetry_site.embedded.postgres import EmbeddedPostgres
from telemetry_site.embedded.valkey import EmbeddedValkey
from tests.keystone import keystone as keystone
from tests.rabbitmq import rabbitmq as rabbitmq
from tests.support.emptying import empty_tables

# Run in the background, we inherit that Ctrl-C is ignored, and so would every child of ours.
signal.signal(signal.SIGINT, signal.default_int_handler)
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """The temporary state directory of this pytest process."""
    path = Path(os.environ["TELEMETRY_HOME"])
    path.mkdir(exist_ok=True)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(home: Path) -> Iterator[EmbeddedPostgres]:
    """The running embedded PostgreSQL; a test may stop and start it again."""
    server = EmbeddedPostgres()
    with open(home / "postgres.log", "ab") as log:
        server.start(log)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def valkey_server(home: Path) -> Iterator[EmbeddedValkey]:
    """The running embedded Valkey; `settings.BROKER_URL` already names it."""
    server = EmbeddedValkey()
    with open(home / "valkey.log", "ab") as log:
        server.start(log)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres_server: EmbeddedPostgres) -> None:
    """Every database test pulls up PostgreSQL through this hook of pytest-django."""


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly() -> Iterator[None]:
    """After a test that committed, tables are emptied by `empty_tables`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: empty_tables())
        yield


@pytest.fixture
def broker(valkey_server: EmbeddedValkey) -> EmbeddedValkey:
    """An empty broker."""
    client = valkey_server.client()
    client.flushall()
    client.close()
    return valkey_server


@pytest.fixture(scope="session")
def made_tasks() -> None:
    """Tasks that can be called, as in a worker. Celery warns of `queue=` where tasks are declared,
    which is our way."""
    from telemetry_site.celery import app

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        app.finalize()


@pytest.fixture
def process_env(transactional_db: None, broker: EmbeddedValkey) -> Callable[..., dict[str, str]]:
    """Environment for real processes (workers, commands) on this test's database and broker.

    They see committed rows only, hence the transactional database.
    """
    database = connection.settings_dict["NAME"]

    def environment(role: str = "", **extra: str) -> dict[str, str]:
        agent = role in ("compute", "central", "notification", "notification-worker")
        module = "telemetry_site.settings.agent" if agent else "telemetry_site.settings.server"
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": module,
            "TELEMETRY_HOME": str(settings.TELEMETRY_HOME),
            "DATABASE_URL": EmbeddedPostgres().url(database),
            "BROKER_URL": broker.url(),
            "TELEMETRY_ROLE": role,
            **extra,
        }

    return environment


@pytest.fixture(autouse=True, scope="session")
def _close_connections() -> Iterator[None]:
    """An open connection at the end would be a ResourceWarning, hence an error."""
    yield
    connections.close_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """In CI nothing may be skipped: a missing part is a failure there."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
