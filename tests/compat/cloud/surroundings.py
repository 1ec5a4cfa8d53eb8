"""A small cloud: RabbitMQ, Keystone, Glance, Cinder, Swift, and a hypervisor with two guests."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.compat.cloud.configs import Place, keystone_config
from tests.compat.cloud.services import ENVIRONMENT, HERE, PYTHON, Services, running
from tests.keystone import KeystoneServer
from tests.libvirt_host import LibvirtHost, libvirt_host, nova_metadata, why_not
from tests.rabbitmq import RabbitNode, rabbit_node

#: Ours polls with it what is in all projects.
POLLER = "telemetry"
TENANT = "demo"
IMAGE_BYTES, OBJECT_BYTES, VOLUME_GIB = 5000, 1234, 1
#: The guests: Nova's metadata in its new and its old form, running and shut off.
RUNNING = "6f1a2b3c-0000-4000-8000-0000000000c1"
STOPPED = "6f1a2b3c-0000-4000-8000-0000000000c2"
TAP = "tlmcloud1"
CLIENTS_WITHIN_S = 180
POLL_EVERY_S = 15
#: All that there is to poll but the machine that the test runs on.
POLLING = f"""
sources:
  - name: cloud
    interval: {POLL_EVERY_S}
    meters: ["!hardware.*"]
"""


@dataclass(frozen=True)
class Cloud:
    """What there is, once it is up."""

    keystone: KeystoneServer
    services: Services
    tenant_project: str
    tenant_user: str

    def check(self) -> None:
        """Raises `RuntimeError` where a service has ended."""
        for name in self.services.died():
            raise RuntimeError(f"{name} ended:\n{self.services.said(name)}")

    def act(self) -> dict[str, str]:
        """The tenant does what `clients.py` says; returns {kind: id of what was made}."""
        done = subprocess.run(
            [PYTHON, "-W", "ignore", HERE / "clients.py", self.keystone.url, TENANT, TENANT,
             *map(str, (IMAGE_BYTES, OBJECT_BYTES, VOLUME_GIB))],
            capture_output=True, text=True, timeout=CLIENTS_WITHIN_S, check=False,
        )  # fmt: skip
        if done.returncode:
            logs = "\n".join(map(self.services.said, ("glance-api", "cinder-volume")))
            raise RuntimeError(f"the clients failed:\n{done.stdout}{done.stderr}\n{logs}")
        made: dict[str, str] = json.loads(done.stdout)
        return made


_started: list[Cloud] = []


def started() -> Cloud:
    return _started[-1]


@contextmanager
def cloud() -> Iterator[dict[str, str]]:
    """The cloud, and what ours must know of it."""
    if reason := why_not():
        raise SystemExit(f"the suite cloud needs a hypervisor: {reason}")
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="compat-cloud-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        threads = stack.enter_context(ThreadPoolExecutor())
        host = stack.enter_context(libvirt_host())
        node = stack.enter_context(rabbit_node())
        bus = node.add_vhost("openstack").replace("amqp://", "rabbit://")
        (home / "keystone").mkdir()
        keystone = KeystoneServer(home / "keystone", PYTHON, keystone_config(bus))
        stack.callback(keystone.stop)
        services = Services(Place(home, ENVIRONMENT / "etc", bus, keystone.url))
        made = threads.submit(services.make)
        keystone.start()
        project, user = furnish(keystone, services.place)
        made.result()
        stack.enter_context(running(services))
        define_guests(host, project, user)
        _started.append(Cloud(keystone, services, project, user))
        yield ours(home, host, node, keystone)


def furnish(keystone: KeystoneServer, place: Place) -> tuple[str, str]:
    """Services' users, catalogue, poller and tenant; the ids of the tenant's project and user."""
    keystone.make_project("service")
    service = f"projects/{keystone.find('projects', 'service')}"
    for kind, (name, url) in place.endpoints.items():
        keystone.make_service(kind, name, url)
        keystone.make_user(name)
        keystone.grant("service", name, service)
    # Its middleware looks up the project whose requests it does not tell.
    keystone.grant("admin", "swift", service)
    keystone.call("POST", "roles", {"role": {"name": "ResellerAdmin"}})
    keystone.make_user(POLLER)
    for role in ("admin", "ResellerAdmin"):
        keystone.grant(role, POLLER, service)
    project, user = keystone.make_project(TENANT), keystone.make_user(TENANT)
    keystone.grant("member", TENANT, f"projects/{project}")
    return project, user


def define_guests(host: LibvirtHost, project: str, user: str) -> None:
    host.define("instance-00000001", RUNNING, nova_metadata(project, user), tap=TAP)
    host.define("instance-00000002", STOPPED, nova_metadata(project, user, "old-1", version="1.0"))
    host.virsh("start", "instance-00000001")


def ours(
    home: Path, host: LibvirtHost, node: RabbitNode, keystone: KeystoneServer
) -> dict[str, str]:
    """Settings: everything at its default but where the cloud is and how often it is polled."""
    polling = home / "polling.yaml"
    polling.write_text(POLLING)
    return {
        "BROKER_URL": node.add_vhost("telemetry"),
        "LIBVIRT_URI": host.uri,
        "TELEMETRY_POLLING_FILE": str(polling),
        "TELEMETRY_POLL_INTERVAL": "5",
        "TELEMETRY_SCRAPE_URLS": "",
        "TELEMETRY_NOTIFICATION_URLS": node.url("openstack"),
        "TELEMETRY_OPENSTACK_AUTH_URL": keystone.url,
        "TELEMETRY_OPENSTACK_USERNAME": POLLER,
        "TELEMETRY_OPENSTACK_PASSWORD": POLLER,
    }
