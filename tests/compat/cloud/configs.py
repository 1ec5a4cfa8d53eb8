"""The configurations of the cloud's services: SQLite, loopback (sources.md §11)."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.ports import free_port

#: The name of the block storage's host: of its services, and before the @ of its pool.
STORAGE_HOST = "storage1"
BACK_END = "fake"

_NOTIFYING = """
[DEFAULT]
transport_url = {bus}
[oslo_messaging_notifications]
driver = messagingv2
"""
_LOGIN = """
auth_type = password
auth_url = {keystone}
username = {name}
password = {name}
project_name = service
user_domain_name = Default
project_domain_name = Default
interface = public
"""
_GLANCE = """
[DEFAULT]
transport_url = {bus}
enabled_backends = fs:file
[oslo_messaging_notifications]
driver = messagingv2
[database]
connection = sqlite:///{home}/glance.db
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = {home}/images
[os_glance_staging_store]
filesystem_store_datadir = {home}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {home}/tasks
[oslo_concurrency]
lock_path = {home}/locks
[paste_deploy]
flavor = keystone
config_file = {etc}/glance/glance-api-paste.ini
[keystone_authtoken]
{login}
"""
#: No `control_exchange`, as most clouds have it: messages go to the exchange `openstack`.
_CINDER = """
[DEFAULT]
transport_url = {bus}
host = {host}
auth_strategy = keystone
api_paste_config = {etc}/cinder/api-paste.ini
resource_query_filters_file = {etc}/cinder/resource_filters.json
state_path = {home}
enabled_backends = {back_end}
backend_stats_polling_interval = 5
[{back_end}]
volume_driver = sized_driver.SizedDriver
volume_backend_name = {back_end}
[oslo_messaging_notifications]
driver = messagingv2
[database]
connection = sqlite:///{home}/cinder.db?timeout=30
[coordination]
backend_url = file://{home}/coordination
[oslo_concurrency]
lock_path = {home}/locks
[keystone_authtoken]
{login}
"""
_SWIFT = """
[swift-hash]
swift_hash_path_suffix = of the tests
"""
_SWIFT_SERVER = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
workers = 0
swift_dir = {home}
devices = {home}/devices
mount_check = false
disable_fallocate = true
recon_cache_path = {home}/cache
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
[container-updater]
interval = 2
recon_cache_path = {home}/cache
"""
#: No memcached: without one, tokens are remembered by the process.
_SWIFT_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
workers = 0
swift_dir = {home}
[pipeline:main]
pipeline = catch_errors gatekeeper proxy-logging authtoken keystoneauth ceilometer proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
{login}
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
[filter:ceilometer]
paste.filter_factory = ceilometermiddleware.swift:filter_factory
url = {bus}
driver = messagingv2
control_exchange = swift
swift_conf_file = {home}/swift.conf
{login}
"""
OBJECT_SERVERS = ("account", "container", "object")


def keystone_config(bus: str) -> str:
    """What is added to that of the tests' Keystone."""
    return _NOTIFYING.format(bus=bus)


@dataclass(frozen=True)
class Place:
    """Where the services are: `etc` is the environment's, `bus` and `keystone` are URLs."""

    home: Path
    etc: Path
    bus: str
    keystone: str
    image_port: int = field(default_factory=free_port)
    volume_port: int = field(default_factory=free_port)
    object_port: int = field(default_factory=free_port)
    #: Of the servers behind the object storage's proxy.
    object_ports: tuple[int, ...] = field(
        default_factory=lambda: tuple(free_port() for _ in OBJECT_SERVERS)
    )

    @property
    def endpoints(self) -> dict[str, tuple[str, str]]:
        """{type: (name, URL)}, as the services' own guides register them."""
        image, volume, objects = (
            f"http://127.0.0.1:{port}"
            for port in (self.image_port, self.volume_port, self.object_port)
        )
        return {
            "image": ("glance", image),
            "volumev3": ("cinder", f"{volume}/v3/%(project_id)s"),
            "object-store": ("swift", f"{objects}/v1/AUTH_%(project_id)s"),
        }

    def write(self) -> None:
        for name in ("locks", "cache", "devices/d1"):
            (self.home / name).mkdir(parents=True)
        self._write("glance/glance-api.conf", _GLANCE, "glance")
        self._write("cinder.conf", _CINDER, "cinder", host=STORAGE_HOST, back_end=BACK_END)
        self._write("swift.conf", _SWIFT)
        for name, port in zip(OBJECT_SERVERS, self.object_ports, strict=True):
            self._write(f"{name}.conf", _SWIFT_SERVER, name=name, port=port)
        self._write("proxy.conf", _SWIFT_PROXY, "swift", port=self.object_port)

    def _write(self, file: str, text: str, service: str = "", **values: object) -> None:
        login = _LOGIN.format(keystone=self.keystone, name=service)
        path = self.home / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            text.format(
                home=self.home, etc=self.etc, bus=self.bus, login=login, user=getpass.getuser(),
                **values,
            )
        )  # fmt: skip
