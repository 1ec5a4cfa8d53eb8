"""aodhclient's own functional tests, and ours of every command of `aodh` and `openstack alarm`,
with a real Keystone and without.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.compat.front import front
from tests.compat.outcomes import Outcome
from tests.compat.pytest_process import run_files
from tests.compat.server import Server
from tests.keystone import SERVICE_PASSWORD, KeystoneServer, populate

PREFIX = "metric"
SETTINGS = {"TELEMETRY_EVALUATION_COUNTS": "1"}
COMMANDS = Path(__file__).with_name("alarm_commands.py")
#: All that the tests ask of a Prometheus is whether it is there.
PROMETHEUS = {"/api/v1/status/runtimeinfo": "{}"}
#: An administrator of the cloud; his password is his name: the tests take one without blanks.
BOSS = "boss"
_started: list[KeystoneServer] = []


@contextmanager
def keystone() -> Iterator[dict[str, str]]:
    """A Keystone, and what ours must know of it."""
    directory = Path(tempfile.mkdtemp(prefix="compat-keystone-"))
    server = KeystoneServer(directory)
    try:
        server.start()
        populate(server)
        _started.append(server)
        yield {
            "TELEMETRY_KEYSTONE_AUTH_URL": server.url,
            "TELEMETRY_KEYSTONE_USERNAME": "telemetry",
            "TELEMETRY_KEYSTONE_PASSWORD": SERVICE_PASSWORD,
        }
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, file by file."""
    (functional,) = environment.glob("lib/*/site-packages/aodhclient/tests/functional")
    paths = {path.stem.removeprefix("test_"): path for path in sorted(functional.glob("test_*.py"))}
    alarming = f"{server.root}/alarming"
    _announce(_started[-1], alarming)
    with (
        tempfile.TemporaryDirectory(prefix="compat-") as folder,
        front(0, server.root, PROMETHEUS) as prometheus,
    ):
        client = {
            "OS_CLIENT_CONFIG_FILE": str(_clouds(Path(folder), _started[-1].url)),
            "OS_ADMIN_CLOUD": "compat",
            "AODH_ENDPOINT": alarming,
            "GNOCCHI_ENDPOINT": server.url,
            "PROMETHEUS_ENDPOINT": prometheus,
            "AODH_CLIENT_EXEC_DIR": str(environment / "bin"),
            "COMPAT_TOKEN": administrator_token(),
            "COMPAT_KEYSTONE": _started[-1].url,
            "COMPAT_USER": BOSS,
        }
        yield from run_files(environment, {**paths, "commands": COMMANDS}, files, client)


def _announce(keystone: KeystoneServer, url: str) -> None:
    """The service in the catalogue, so that clients find it, and the administrator."""
    keystone.make_service("alarming", "aodh", url)
    keystone.make_user(BOSS)
    keystone.grant("admin", BOSS, f"projects/{keystone.find('projects', 'admin')}")


def _clouds(folder: Path, auth_url: str) -> Path:
    """The file in which clients find the cloud `compat`; JSON is YAML."""
    names = {"user_domain_id": "default", "project_domain_id": "default"}
    auth = {
        "auth_url": auth_url, "username": BOSS, "password": BOSS,
        "project_name": "admin", **names,
    }  # fmt: skip
    path = folder / "clouds.yaml"
    path.write_text(json.dumps({"clouds": {"compat": {"auth": auth}}}))
    return path


def administrator_token() -> str:
    """A token of ours, of an administrator."""
    from django.contrib.auth.models import User

    from telemetry_site.auth import tokens
    from telemetry_site.auth.principal import ALL_SCOPES

    user = User.objects.create_user("compat", is_superuser=True)
    return tokens.issue(user.pk, "compat", ALL_SCOPES, "")[1]
