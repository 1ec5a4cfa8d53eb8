"""A web process whose settings say who is believed: Keystone, or, told loudly, anybody."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from keystoneauth1.adapter import Adapter

from tests.integration.conftest import fresh_store  # noqa: F401 - a fixture
from tests.keystone import SERVICE_PASSWORD, KeystoneServer
from tests.support.web import running_web

pytestmark = pytest.mark.usefixtures("fresh_store")
ADMIN = {"X-User-Id": "u", "X-Project-Id": "p", "X-Roles": "admin", "Accept": "application/json"}


@pytest.mark.keystone
def test_a_client_of_keystones_works_with_the_settings_of_the_guide(
    keystone: KeystoneServer, process_env: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """docs/how-to/keystone.md: over TLS, the password in a file; no secret is in the log."""
    password, log = tmp_path / "password", tmp_path / "web.log"
    password.write_text(f"{SERVICE_PASSWORD}\n")
    settings = {
        "TELEMETRY_KEYSTONE_AUTH_URL": keystone.tls_url,
        "TELEMETRY_KEYSTONE_USERNAME": "telemetry",
        "TELEMETRY_KEYSTONE_PASSWORD_FILE": str(password),
        "TELEMETRY_KEYSTONE_CACERT": str(keystone.certificates / "ca.pem"),
        "TELEMETRY_LOG_LEVEL": "DEBUG",
    }
    member = keystone.session("member", project_name="p1")
    with running_web(process_env, log, **settings) as address:
        client = Adapter(member, endpoint_override=f"{address}/metric", raise_exc=False)
        made = client.post("/v1/resource/generic", json={"id": "vm"})
        assert made.status_code == 201, made.text
        assert made.json()["created_by_project_id"] == keystone.find("projects", "p1")
        forged = requests.get(f"{address}/metric/v1/metric", headers=ADMIN, timeout=30)
        assert forged.status_code == 401
        figures = requests.get(f"{address}/metrics", timeout=30).text
    assert 'telemetry_keystone_requests_total{result="known"} 1.0' in figures
    assert "telemetry_keystone_duration_seconds_count 1.0" in figures
    said = log.read_text()
    assert "/metric/v1/resource/generic" in said
    for secret in (SERVICE_PASSWORD, member.get_token() or "no token"):
        assert secret not in said
    assert "is whoever he says" not in said


def test_who_believes_anybody_says_so_when_it_starts(
    process_env: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    log, names = tmp_path / "web.log", ("TELEMETRY_BASIC_AUTH", "TELEMETRY_NOAUTH")
    with running_web(process_env, log, **dict.fromkeys(names, "1")) as address:
        for headers in (ADMIN, {"Authorization": "basic YWRtaW46"}):
            answer = requests.get(f"{address}/metric/v1/status", headers=headers, timeout=30)
            assert answer.status_code == 200, answer.text
    for name in names:
        (told,) = [line for line in log.read_text().splitlines() if f"{name} is set:" in line]
        assert "warning" in told
        assert "from 127.0.0.0/8, ::1/128 is whoever he says, administrators too." in told


def test_keystone_and_a_way_in_that_believes_do_not_start(
    process_env: Callable[..., dict[str, str]],
) -> None:
    environment = process_env(
        "web", TELEMETRY_NOAUTH="1", TELEMETRY_KEYSTONE_AUTH_URL="https://keystone.example.org:5000",
        TELEMETRY_KEYSTONE_USERNAME="telemetry", TELEMETRY_KEYSTONE_PASSWORD="any",
    )  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "manage.py", "role", "web"],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode
    assert ended.stderr.startswith("Wrong setting: TELEMETRY_NOAUTH can't be set together with")
    assert len(ended.stderr.splitlines()) == 1
