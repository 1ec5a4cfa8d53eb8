"""Settings of every process, agents included: broker, tasks, logs. No database here."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import environ
from kombu import Exchange, Queue

from telemetry_site import paths
from telemetry_site.settings.addresses import BROKER_SCHEMES, check_address
from telemetry_site.settings.certificates import check_ca_file, check_certificate
from telemetry_site.settings.keystone import KeystoneAccess, check_keystone
from telemetry_site.settings.polling import check_namespaces
from telemetry_site.settings.signing import check_signing_secret

env = environ.Env()
BASE_DIR = paths.ROOT
if (BASE_DIR / ".env").is_file():
    environ.Env.read_env(BASE_DIR / ".env")


def secret(name: str, default: str = "") -> str:
    """A setting that may stand in a file: `NAME_FILE` names it, else `NAME` is the value."""
    file_name = env.str(f"{name}_FILE", "")
    return Path(file_name).read_text().strip() if file_name else env.str(name, default)


DEBUG = env.bool("DEBUG", False)
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False
SECRET_KEY = "agents-sign-nothing-with-this"

# --- who and where -------------------------------------------------------------------------
TELEMETRY_HOME = paths.home()
TELEMETRY_HOST = env.str("TELEMETRY_HOST", socket.gethostname())
TELEMETRY_ROLE = env.str("TELEMETRY_ROLE", "")
TELEMETRY_AGENT_ID = env.str("TELEMETRY_AGENT_ID", "")
TELEMETRY_ALLOW_UNSAFE = env.bool("TELEMETRY_ALLOW_UNSAFE", False)
#: Seconds without a receipt after which an agent publishes a batch again (then 2×, 4× … 15 min).
TELEMETRY_RECEIPT_TIMEOUT = env.float("TELEMETRY_RECEIPT_TIMEOUT", 60.0)
#: Where each worker answers /-/healthy, /-/ready and /metrics; port 0 = any free one.
TELEMETRY_HEALTH_LISTEN = env.str("TELEMETRY_HEALTH_LISTEN", "127.0.0.1:0")

# --- polling -------------------------------------------------------------------------------
TELEMETRY_POLL_INTERVAL = env.int("TELEMETRY_POLL_INTERVAL", 10)
#: Empty: qemu:///system where a libvirt daemon is; "none": no hypervisor; else as given.
TELEMETRY_LIBVIRT_URI = env.str("LIBVIRT_URI", "")
#: Owner of domains that name none (no metadata of Nova, none of ours).
TELEMETRY_LIBVIRT_PROJECT = env.str("TELEMETRY_LIBVIRT_PROJECT", "")
TELEMETRY_LIBVIRT_USER = env.str("TELEMETRY_LIBVIRT_USER", "")
#: Ceilometer's `[compute] report_stopped_instance_metrics`.
TELEMETRY_LIBVIRT_REPORT_STOPPED = env.bool("TELEMETRY_LIBVIRT_REPORT_STOPPED", False)
TELEMETRY_LIBVIRT_DEADLINE = env.float("TELEMETRY_LIBVIRT_DEADLINE", 8.0)
#: Prometheus text endpoints that the central agents scrape, comma separated.
TELEMETRY_SCRAPE_URLS = env.list("TELEMETRY_SCRAPE_URLS", default=[])
#: Their scrape file, in Prometheus' format: jobs, targets, relabelling.
TELEMETRY_SCRAPE_FILE = env.str("TELEMETRY_SCRAPE_FILE", "")
#: SNMP hosts that they ask, beside those of the polling file; their URLs may hold passwords.
TELEMETRY_SNMP_URLS = secret("TELEMETRY_SNMP_URLS").replace(",", " ").split()
#: Files or directories of SNMP meters; the first of a name wins, ours come last.
TELEMETRY_SNMP_DEFINITIONS = env.list("TELEMETRY_SNMP_DEFINITIONS", default=[])
#: polling.yaml: which meters are polled how often. Empty: everything, the host and its hypervisor
#: every TELEMETRY_POLL_INTERVAL, a cloud every five minutes.
TELEMETRY_POLLING_FILE = env.str("TELEMETRY_POLLING_FILE", "")
#: Pollsters that the compute agent runs: compute, ipmi.
TELEMETRY_COMPUTE_NAMESPACES = check_namespaces(
    env.list("TELEMETRY_COMPUTE_NAMESPACES", default=["compute"])
)
#: Files or directories of dynamic pollsters; the first of a name wins, ours come last.
TELEMETRY_POLLSTER_DEFINITIONS = env.list("TELEMETRY_POLLSTER_DEFINITIONS", default=[])
#: Whether pollsters may run commands on this host, and whose modules may sign their requests.
TELEMETRY_ALLOW_HOST_COMMAND = env.bool("TELEMETRY_ALLOW_HOST_COMMAND", False)
TELEMETRY_POLLSTER_AUTH_MODULES = env.list(
    "TELEMETRY_POLLSTER_AUTH_MODULES", default=["requests.auth", "pollers.pollsters.signing"]
)
#: The login of `radosgw.*` at the admin API of Ceph's object gateway; empty: not polled.
TELEMETRY_RADOSGW_ACCESS_KEY = env.str("TELEMETRY_RADOSGW_ACCESS_KEY", "")
TELEMETRY_RADOSGW_SECRET_KEY = secret("TELEMETRY_RADOSGW_SECRET_KEY")
TELEMETRY_IGNORE_DISABLED_PROJECTS = env.bool("TELEMETRY_IGNORE_DISABLED_PROJECTS", False)
#: The cloud that agents poll; None where no Keystone is named.
TELEMETRY_OPENSTACK = check_keystone(
    KeystoneAccess(
        auth_url=env.str("TELEMETRY_OPENSTACK_AUTH_URL", ""),
        username=env.str("TELEMETRY_OPENSTACK_USERNAME", ""),
        password=secret("TELEMETRY_OPENSTACK_PASSWORD"),
        project_name=env.str("TELEMETRY_OPENSTACK_PROJECT_NAME", "service"),
        user_domain_name=env.str("TELEMETRY_OPENSTACK_USER_DOMAIN_NAME", "Default"),
        project_domain_name=env.str("TELEMETRY_OPENSTACK_PROJECT_DOMAIN_NAME", "Default"),
        ca_file=env.str("TELEMETRY_OPENSTACK_CACERT", ""),
        timeout_s=env.float("TELEMETRY_OPENSTACK_TIMEOUT", 10.0),
        interface=env.str("TELEMETRY_OPENSTACK_INTERFACE", "public"),
        region_name=env.str("TELEMETRY_OPENSTACK_REGION_NAME", ""),
    ),
    "TELEMETRY_OPENSTACK_",
)
#: Zaqar's API, for publishers and for actions zaqar: and trust+zaqar:; empty: the one in Keystone's
#: catalogue.
TELEMETRY_ZAQAR_URL = env.str("TELEMETRY_ZAQAR_URL", "").rstrip("/")
#: Buses with OpenStack notifications, comma separated (amqp://user:password@host:5672/vhost).
TELEMETRY_NOTIFICATION_URLS = env.list("TELEMETRY_NOTIFICATION_URLS", default=[])
TELEMETRY_NOTIFICATION_EXCHANGES = env.list(
    "TELEMETRY_NOTIFICATION_EXCHANGES",
    default=[
        "openstack", "nova", "glance", "neutron", "cinder", "heat", "keystone", "trove", "zaqar",
        "swift", "ceilometer", "magnum", "dns", "ironic", "aodh", "octavia", "manila",
    ],
)  # fmt: skip
TELEMETRY_NOTIFICATION_TOPICS = env.list("TELEMETRY_NOTIFICATION_TOPICS", default=["notifications"])
#: Authorities of the brokers' certificates (amqps://…); empty: those that the system trusts.
TELEMETRY_NOTIFICATION_CACERT = check_ca_file(
    "TELEMETRY_NOTIFICATION_CACERT", env.str("TELEMETRY_NOTIFICATION_CACERT", "")
)
#: Our own certificate with its key, for brokers that ask who we are (the key may stand in the
#: certificate's file).
TELEMETRY_NOTIFICATION_CERT_FILE, TELEMETRY_NOTIFICATION_KEY_FILE = check_certificate(
    "TELEMETRY_NOTIFICATION", env.str("TELEMETRY_NOTIFICATION_CERT_FILE", ""),
    env.str("TELEMETRY_NOTIFICATION_KEY_FILE", ""),
)  # fmt: skip
#: How exchanges and queues are declared there; must be as the senders do (oslo's defaults).
TELEMETRY_NOTIFICATION_DURABLE = env.bool("TELEMETRY_NOTIFICATION_DURABLE", False)
TELEMETRY_NOTIFICATION_QUORUM = env.bool("TELEMETRY_NOTIFICATION_QUORUM", False)
TELEMETRY_NOTIFICATION_PREFETCH = env.int("TELEMETRY_NOTIFICATION_PREFETCH", 1000)
#: Further files of event definitions (the last that fits wins) and files or directories of meter
#: definitions (the first of a name wins); both come on top of the stock ones.
TELEMETRY_EVENT_DEFINITIONS = env.list("TELEMETRY_EVENT_DEFINITIONS", default=[])
TELEMETRY_METER_DEFINITIONS = env.list("TELEMETRY_METER_DEFINITIONS", default=[])
#: Pipeline files of samples and of events; without one everything is kept as it comes. The
#: transformers of the former that need several samples make meters where samples are read.
TELEMETRY_METER_PIPELINE = env.str("TELEMETRY_METER_PIPELINE", "")
TELEMETRY_EVENT_PIPELINE = env.str("TELEMETRY_EVENT_PIPELINE", "")
#: gnocchi_resources.yaml: types, attributes and archive policies of what samples are of, and the
#: events that make and end resources. Takes the place of ours.
TELEMETRY_RESOURCE_DEFINITIONS = env.str("TELEMETRY_RESOURCE_DEFINITIONS", "")
#: What signs the samples and events that others' publishers send, and those that ours send; empty:
#: they need no signature, and have none.
TELEMETRY_NOTIFICATION_SECRET = check_signing_secret(secret("TELEMETRY_NOTIFICATION_SECRET"))
TELEMETRY_DROP_UNMATCHED_NOTIFICATIONS = env.bool("TELEMETRY_DROP_UNMATCHED_NOTIFICATIONS", False)
#: Priorities (info, error) whose events keep the whole message.
TELEMETRY_STORE_RAW = env.list("TELEMETRY_STORE_RAW", default=[])
#: Keys of a server's own metadata that its samples keep: by prefix (cut off), or exactly.
TELEMETRY_USER_METADATA_PREFIXES = env.list(
    "TELEMETRY_USER_METADATA_PREFIXES", default=["metering."]
)
TELEMETRY_USER_METADATA_KEYS = env.list("TELEMETRY_USER_METADATA_KEYS", default=[])
TELEMETRY_USER_METADATA_LENGTH = env.int("TELEMETRY_USER_METADATA_LENGTH", 256)

# --- publishing ----------------------------------------------------------------------------
#: Where every sample and event goes beside the store: NAME=URL, comma separated.
TELEMETRY_PUBLISHERS = env.list("TELEMETRY_PUBLISHERS", default=[])
#: Batches that wait for one of them at the most; then the oldest makes room, and is counted.
TELEMETRY_PUBLISHER_BACKLOG = env.int("TELEMETRY_PUBLISHER_BACKLOG", 10_000)

# --- broker --------------------------------------------------------------------------------
EMBEDDED_BROKER_SOCKET = paths.run_dir() / "valkey.sock"
EMBEDDED_BROKER = not secret("BROKER_URL")
BROKER_URL = check_address(
    "BROKER_URL",
    secret("BROKER_URL") or f"redis+socket://{EMBEDDED_BROKER_SOCKET}?virtual_host=0",
    BROKER_SCHEMES,
)
BROKER_IS_AMQP = BROKER_URL.startswith(("amqp", "pyamqp"))

CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"confirm_publish": True}
    if BROKER_IS_AMQP
    else {
        "visibility_timeout": env.int("TELEMETRY_VISIBILITY_TIMEOUT", 600),
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "retry_on_timeout": False,
        "global_keyprefix": "telemetry:",
    }
)
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json", "msgpack"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ACKS_ON_FAILURE = False
CELERY_TASK_ACKS_ON_TIMEOUT = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 100
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 400_000
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_CONSUMER = "telemetry_site.consumer:SteadyConsumer"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_HEARTBEAT = 30
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.5,
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_BEAT_ENABLE_REMOTE_CONTROL = True
CELERY_DB_REUSE_MAX = 100

# --- queues --------------------------------------------------------------------------------
#: The one exchange agents may write to; nothing but the collector is bound there.
INGEST_EXCHANGE = Exchange("telemetry.in", type="direct", durable=True)
TASK_EXCHANGE = Exchange("telemetry", type="direct", durable=True)
COMPUTE_EXCHANGE = Exchange("compute", type="fanout", durable=True)
_QUORUM = {
    "x-queue-type": "quorum",
    "x-dead-letter-exchange": "telemetry.dlx",
    "x-delivery-limit": 20,
}


def _queue(name: str, exchange: Exchange, routing_key: str = "") -> Queue:
    arguments = _QUORUM if BROKER_IS_AMQP else {}
    return Queue(name, exchange, routing_key=routing_key or name, queue_arguments=arguments)


COLLECTOR_QUEUE = _queue("collector", INGEST_EXCHANGE)
NOTIFICATION_QUEUE = _queue("notification", TASK_EXCHANGE)
COMPUTE_QUEUE = _queue(f"compute.{TELEMETRY_HOST}", COMPUTE_EXCHANGE, routing_key="compute")
CELERY_TASK_QUEUES = [
    COLLECTOR_QUEUE,
    NOTIFICATION_QUEUE,
    COMPUTE_QUEUE,
    _queue("central", TASK_EXCHANGE),
    _queue("maintenance", TASK_EXCHANGE),
    _queue("evaluator", TASK_EXCHANGE),
    _queue("notifier", TASK_EXCHANGE),
]
CELERY_TASK_DEFAULT_QUEUE = "evaluator"
CELERY_TASK_DEFAULT_EXCHANGE = "telemetry"
CELERY_TASK_DEFAULT_ROUTING_KEY = "evaluator"

# --- logs ----------------------------------------------------------------------------------
LOGGING_CONFIG = None  # telemetry_site.logs configures structlog for every process
TELEMETRY_LOG_FORMAT = env.str("TELEMETRY_LOG_FORMAT", "text")
TELEMETRY_LOG_LEVEL = env.str("TELEMETRY_LOG_LEVEL", "INFO")
