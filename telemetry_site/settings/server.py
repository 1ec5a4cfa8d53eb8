"""Settings of the processes that have a database: API, collector, evaluator, notifier, beat."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from telemetry_site import __version__, paths
from telemetry_site.settings import connecting
from telemetry_site.settings.addresses import DATABASE_SCHEMES, check_address, check_prefix
from telemetry_site.settings.allowances import parse_allowance, parse_networks
from telemetry_site.settings.base import *  # noqa: F403
from telemetry_site.settings.base import (
    TELEMETRY_HOME,
    TELEMETRY_POLL_INTERVAL,
    TELEMETRY_ROLE,
    env,
    secret,
)
from telemetry_site.settings.certificates import check_ca_file, check_certificate
from telemetry_site.settings.keystone import KeystoneAccess, check_keystone, refuse_contradiction
from telemetry_site.settings.senders import (
    check_bus,
    check_secrets,
    check_sender,
    mail_server,
)

# --- keys ----------------------------------------------------------------------------------
NO_SECRET_KEY = "not-yet-made-by-manage.py-up"
_KEY_FILE = TELEMETRY_HOME / "secret_key"
SECRET_KEY = secret("SECRET_KEY") or (
    _KEY_FILE.read_text().strip() if _KEY_FILE.is_file() else NO_SECRET_KEY
)

# --- applications --------------------------------------------------------------------------
INSTALLED_APPS = [
    "telemetry_site",
    "telemetry_site.auth",
    "meters",
    "alarms",
    "pollers",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_filters",
    "django_htmx",
    "django_structlog",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
CELERY_IMPORTS = [
    "meters.tasks",
    "alarms.tasks",
    # Only their names and routes: beat sends what agents run.
    "pollers.compute.tasks",
    "pollers.central.tasks",
    "pollers.notification.tasks",
]
if TELEMETRY_ROLE == "collector":
    CELERY_WORKER_CONSUMER = "meters.consumer:QuarantiningConsumer"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"


#: Seconds between two looks for due alarms, and the longest time between two evaluations of one;
#: an alarm of a finer granularity is evaluated once a granularity.
TELEMETRY_EVALUATION_TICK = env.int("TELEMETRY_EVALUATION_TICK", 5)
TELEMETRY_EVALUATION_INTERVAL = env.int("TELEMETRY_EVALUATION_INTERVAL", 60)
#: Seconds that samples take to arrive: an evaluation looks so much further back.
TELEMETRY_INGESTION_LAG = env.int("TELEMETRY_INGESTION_LAG", 0)
#: Seconds that a notifier has for one message; then another one may send it again (N1).
TELEMETRY_NOTIFIER_LEASE = env.int("TELEMETRY_NOTIFIER_LEASE", 60)
#: Messages a minute, and at once, that a project's alarms may send to one receiver's host; more
#: wait. 0: any number.
TELEMETRY_NOTIFICATIONS_PER_MINUTE = env.int("TELEMETRY_NOTIFICATIONS_PER_MINUTE", 60)
#: Each signs every message (N3); several while a receiver changes over.
TELEMETRY_WEBHOOK_SECRETS = check_secrets(
    list(filter(None, secret("TELEMETRY_WEBHOOK_SECRETS").split(",")))
)
#: Whether an action may switch TLS verification off (``?aodh-alarm-ssl-verify=0``).
TELEMETRY_WEBHOOK_ALLOW_UNVERIFIED = env.bool("TELEMETRY_WEBHOOK_ALLOW_UNVERIFIED", False)
#: Files for TLS with receivers: further authorities; our own certificate with its key, for those
#: that ask who we are (the key may stand in the certificate's file).
TELEMETRY_WEBHOOK_CA_FILE = check_ca_file(
    "TELEMETRY_WEBHOOK_CA_FILE", env.str("TELEMETRY_WEBHOOK_CA_FILE", "")
)
TELEMETRY_WEBHOOK_CERT_FILE, TELEMETRY_WEBHOOK_KEY_FILE = check_certificate(
    "TELEMETRY_WEBHOOK",
    env.str("TELEMETRY_WEBHOOK_CERT_FILE", ""),
    env.str("TELEMETRY_WEBHOOK_KEY_FILE", ""),
)
#: Whether actions may begin with slack+https: or chat+https:.
TELEMETRY_CHAT_WEBHOOKS = env.bool("TELEMETRY_CHAT_WEBHOOKS", False)
#: The bus of actions queue://NAME, on which changes of alarms are told too; empty: there is none.
TELEMETRY_ALARM_BUS_URL = check_bus(secret("TELEMETRY_ALARM_BUS_URL"))
TELEMETRY_ALARM_BUS_EXCHANGE = env.str("TELEMETRY_ALARM_BUS_EXCHANGE", "aodh")
#: Changes go to `<topic>.info`; empty: they are not told.
TELEMETRY_ALARM_BUS_TOPIC = env.str("TELEMETRY_ALARM_BUS_TOPIC", "notifications")
#: Whether queue://NAME gets oslo's envelope around the message.
TELEMETRY_ALARM_BUS_OSLO = env.bool("TELEMETRY_ALARM_BUS_OSLO", False)
#: Queues that everybody may name; others are for administrators.
TELEMETRY_ALARM_QUEUES = env.list("TELEMETRY_ALARM_QUEUES", default=[])
#: The mail server of actions that begin with mailto:; without one there are none.
_MAIL = mail_server(secret("EMAIL_URL"))
EMAIL_HOST = _MAIL["EMAIL_HOST"]
EMAIL_PORT = _MAIL["EMAIL_PORT"]
EMAIL_HOST_USER = _MAIL["EMAIL_HOST_USER"]
EMAIL_HOST_PASSWORD = _MAIL["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS = _MAIL["EMAIL_USE_TLS"]
EMAIL_USE_SSL = _MAIL["EMAIL_USE_SSL"]
#: Seconds that the mail server has for each of its answers.
EMAIL_TIMEOUT = env.float("TELEMETRY_MAIL_TIMEOUT", 10.0)
TELEMETRY_MAIL_FROM = DEFAULT_FROM_EMAIL = check_sender(
    env.str("TELEMETRY_MAIL_FROM", "Telemetry <telemetry@localhost>")
)
#: Domains that mail may go to; empty: any.
TELEMETRY_MAIL_DOMAINS = [one.lower() for one in env.list("TELEMETRY_MAIL_DOMAINS", default=[])]


def _every(task: str, seconds: float) -> dict[str, Any]:
    """A beat entry that expires after its own interval, so that an outage leaves no pile."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


CELERY_BEAT_SCHEDULE = {
    "poll compute": _every("pollers.compute.tasks.poll_compute", TELEMETRY_POLL_INTERVAL),
    "poll central": _every("pollers.central.tasks.poll_central", TELEMETRY_POLL_INTERVAL),
    "housekeeping": _every("meters.tasks.housekeeping", 600),
    "compact": _every("meters.tasks.compact_store", 10),
    "retention": _every("meters.tasks.keep_retention", 60),
    "survey": _every("meters.tasks.survey_store", 30),
    "dead letters": _every("meters.tasks.drain_dead_letters", 60),
    "evaluate": _every("alarms.tasks.evaluate_due_alarms", TELEMETRY_EVALUATION_TICK),
    "measure alarms": _every("alarms.tasks.measure_alarms", 15),
    "sweep outbox": _every("alarms.tasks.sweep_outbox", 2),
}

MIDDLEWARE = [
    "telemetry_site.middleware.no_body_for_head",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "telemetry_site.measuring.measure",
    "telemetry_site.middleware.security_headers",
    "django_structlog.middlewares.RequestMiddleware",
    "meters.api.middleware.api_answers",
    "meters.metric_api.middleware.metric_api",
    "meters.wsme.middleware.wsme_doors",
    "telemetry_site.middleware.refuse_cross_site",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "telemetry_site.middleware.MessagesOfPages",
    "django_htmx.middleware.HtmxMiddleware",
]
#: The library believes any X-Forwarded-For; telemetry_site.auth.peer says whose request it is.
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
#: One line a request, when it is finished; a second one only in the debug log.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
ROOT_URLCONF = "telemetry_site.urls"
WSGI_APPLICATION = "telemetry_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [paths.DATA / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- database ------------------------------------------------------------------------------
EMBEDDED_DATABASE = not secret("DATABASE_URL")
DATABASE_URL = check_address(
    "DATABASE_URL",
    secret("DATABASE_URL") or f"postgresql://postgres@/telemetry?host={paths.run_dir()}",
    DATABASE_SCHEMES,
)
#: There is no pooler in between, or one that knows prepared statements (PgBouncer from 1.22).
TELEMETRY_DB_DIRECT = env.bool("TELEMETRY_DB_DIRECT", EMBEDDED_DATABASE)
DATABASES = {
    "default": connecting.database(env.db_url_config(DATABASE_URL), TELEMETRY_DB_DIRECT, within_s=5)
}
WEB_WORKERS = env.int("WEB_WORKERS", 1)
WEB_THREADS = env.int("WEB_THREADS", 8)
#: A streaming replica that web processes read points by (meters/store/replica.py).
DATABASE_REPLICA_URL = secret("DATABASE_REPLICA_URL")
if DATABASE_REPLICA_URL:
    check_address("DATABASE_REPLICA_URL", DATABASE_REPLICA_URL, DATABASE_SCHEMES)
    DATABASES["replica"] = connecting.database(
        env.db_url_config(DATABASE_REPLICA_URL), TELEMETRY_DB_DIRECT, within_s=2
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- web -----------------------------------------------------------------------------------
PORT = env.int("PORT", 8000)
WEB_BIND = env.str("WEB_BIND", "127.0.0.1")
#: After SIGTERM: so long /-/ready says no before the listener closes (a load balancer looks).
WEB_DRAIN_SECONDS = env.float("WEB_DRAIN_SECONDS", 5)
SITE_URL = env.str("SITE_URL", f"http://127.0.0.1:{PORT}")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = [SITE_URL]
_HTTPS = SITE_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_NAME = "__Host-session" if _HTTPS else "telemetry_session"
CSRF_COOKIE_NAME = "__Host-csrf" if _HTTPS else "telemetry_csrf"
SESSION_COOKIE_AGE = 12 * 3600
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
_ON_LOOPBACK = urlsplit(SITE_URL).hostname in ("127.0.0.1", "localhost", "::1")
if _ON_LOOPBACK:
    # Django's warnings that ask for TLS: on loopback nothing leaves the machine and there is no
    # certificate to be had. With any other SITE_URL they count.
    SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008", "security.W012", "security.W016"]
#: Networks that messages may be sent to though nobody outside reaches them. Who tries the system
#: on one machine may send to `manage.py webhook_receiver` there (docs/decisions/0005).
TELEMETRY_WEBHOOK_ALLOW = [
    parse_allowance(entry)
    for entry in env.list(
        "TELEMETRY_WEBHOOK_ALLOW",
        default=["127.0.0.1:9099"] if EMBEDDED_DATABASE and _ON_LOOPBACK else [],
    )
]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
AUTHENTICATION_BACKENDS = ["telemetry_site.auth.backends.ThrottledBackend"]
#: Argon2 makes new hashes (S11); the others only read what an older installation stored.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
TELEMETRY_TOKENS_PER_USER = env.int("TELEMETRY_TOKENS_PER_USER", 100)
#: Most alarms of a project without a quota of its own, and of a user; -1: any number.
TELEMETRY_ALARMS_PER_PROJECT = env.int("TELEMETRY_ALARMS_PER_PROJECT", 10_000)
TELEMETRY_ALARMS_PER_USER = env.int("TELEMETRY_ALARMS_PER_USER", -1)
#: So long an alarm's history is kept, also of a deleted one; 0: for ever.
TELEMETRY_ALARM_HISTORY_DAYS = env.int("TELEMETRY_ALARM_HISTORY_DAYS", 0)
#: Most actions for each state of an alarm.
TELEMETRY_ACTIONS_PER_STATE = env.int("TELEMETRY_ACTIONS_PER_STATE", 100)
CSRF_FAILURE_VIEW = "meters.ui.views.errors.csrf_failure"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
STATIC_URL = "/static/"
STATIC_ROOT = TELEMETRY_HOME / "static"
STATICFILES_DIRS = [paths.DATA / "templates" / "static"]
WHITENOISE_USE_FINDERS = True
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- admin ---------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Telemetry admin",
    "SITE_HEADER": "Telemetry",
    "SITE_SYMBOL": "monitoring",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "href": "/static/ui/favicon-idle.svg"}],
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {
        # The UI's blue, from light to dark.
        "primary": {
            "50": "#f0f5fe", "100": "#e0eafd", "200": "#c6d8fb", "300": "#9dbcf8",
            "400": "#6f9af2", "500": "#4a7be8", "600": "#2c5fd6", "700": "#244db3",
            "800": "#213f8e", "900": "#1f376f", "950": "#152347",
        },
    },
}  # fmt: skip

# --- API -----------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "telemetry_site.auth.authentication.TokenAuthentication",
        "telemetry_site.auth.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["telemetry_site.auth.permissions.Access"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "meters.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "meters.api.errors.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "NUM_PROXIES": env.int("NUM_PROXIES", 0),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Telemetry",
    "DESCRIPTION": "Native API: metering, events, alarms, sources, tokens.",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "meters.api.schema.add_errors",
    ],
    "ENUM_NAME_OVERRIDES": {
        "SampleType": "meters.models.Metric.Type",
        "Outcome": "meters.models.Source.Outcome",
        "AlarmState": "alarms.choices.State",
        "QuarantineState": "meters.models.Quarantine.State",
        "AlarmType": "alarms.choices.Type",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
#: Whether /api/schema and /api/docs are shown to people who are not signed in.
TELEMETRY_OPEN_SCHEMA = env.bool("TELEMETRY_OPEN_SCHEMA", False)
#: Samples a second and at once that one project may post through one web process (W2).
TELEMETRY_INGEST_RATE = env.int("TELEMETRY_INGEST_RATE", 10_000)
TELEMETRY_INGEST_BURST = env.int("TELEMETRY_INGEST_BURST", 100_000)

# --- metric API (gnocchi's) -----------------------------------------------------------------
#: Path under which it is mounted, without slashes around it.
TELEMETRY_METRIC_API_PREFIX = check_prefix(
    "TELEMETRY_METRIC_API_PREFIX", env.str("TELEMETRY_METRIC_API_PREFIX", "metric")
)
#: Most rows of one page, and how many come when none says how many.
TELEMETRY_METRIC_API_MAX_LIMIT = env.int("TELEMETRY_METRIC_API_MAX_LIMIT", 1000)
#: Whether it takes measures of any time to come; then one wrong clock can hide what is right.
TELEMETRY_METRIC_API_FUTURE = env.bool("TELEMETRY_METRIC_API_FUTURE", False)
#: Whether the first start makes archive policies and a rule that gives one to every metric.
TELEMETRY_DEFAULT_ARCHIVE_POLICIES = env.bool("TELEMETRY_DEFAULT_ARCHIVE_POLICIES", True)
#: Whether Forwarded and X-Forwarded-* say how URLs in its answers begin.
TELEMETRY_PROXY_HEADERS = env.bool("TELEMETRY_PROXY_HEADERS", False)
#: Whether series of Prometheus that differ in labels but `job` and `instance` are one metric, as
#: gnocchi has it: then the last one of them wins.
TELEMETRY_PROMETHEUS_FOLD_LABELS = env.bool("TELEMETRY_PROMETHEUS_FOLD_LABELS", False)
#: Origins (https://grafana.example) whose pages may call it from a browser.
TELEMETRY_CORS_ORIGINS = env.list("TELEMETRY_CORS_ORIGINS", default=[])

# --- alarming API (aodh's) ------------------------------------------------------------------
#: Path under which it is mounted, without slashes around it.
TELEMETRY_ALARMING_API_PREFIX = check_prefix(
    "TELEMETRY_ALARMING_API_PREFIX", env.str("TELEMETRY_ALARMING_API_PREFIX", "alarming")
)
#: How its own addresses begin where a proxy shows it elsewhere: http://controller:8042
TELEMETRY_ALARMING_API_URL = env.str("TELEMETRY_ALARMING_API_URL", "").rstrip("/")
#: Whether composite alarms remember the states of their parts; without it what a part with a mixed
#: window is in is guessed as aodh does.
TELEMETRY_COMPOSITE_MEMORY = env.bool("TELEMETRY_COMPOSITE_MEMORY", True)
#: Octavia's API, for alarms on the health of a pool's members; empty: they are not evaluated.
TELEMETRY_OCTAVIA_URL = env.str("TELEMETRY_OCTAVIA_URL", "").rstrip("/")
#: Seconds after its creation from which a member in error counts.
TELEMETRY_MEMBER_CREATION_TIME = env.int("TELEMETRY_MEMBER_CREATION_TIME", 120)
#: Asked after evaluations, so that somebody outside notices when there are none; empty: nobody.
TELEMETRY_EVALUATOR_HEARTBEAT_URL = secret("TELEMETRY_EVALUATOR_HEARTBEAT_URL")
#: Whether evaluations are counted, for GET /v2/metrics.
TELEMETRY_EVALUATION_COUNTS = env.bool("TELEMETRY_EVALUATION_COUNTS", False)

# --- metering and event API (ceilometer's and panko's) ----------------------------------------
#: Paths under which they are mounted, without slashes around them.
TELEMETRY_METERING_API_PREFIX = check_prefix(
    "TELEMETRY_METERING_API_PREFIX", env.str("TELEMETRY_METERING_API_PREFIX", "metering")
)
TELEMETRY_EVENT_API_PREFIX = check_prefix(
    "TELEMETRY_EVENT_API_PREFIX", env.str("TELEMETRY_EVENT_API_PREFIX", "event")
)
#: Most entries of one answer, and how many come when none says how many.
TELEMETRY_CLASSIC_MAX_LIMIT = env.int("TELEMETRY_CLASSIC_MAX_LIMIT", 10_000)
TELEMETRY_CLASSIC_DEFAULT_LIMIT = env.int("TELEMETRY_CLASSIC_DEFAULT_LIMIT", 100)
#: Most rows of one answer of statistics.
TELEMETRY_CLASSIC_MAX_ROWS = env.int("TELEMETRY_CLASSIC_MAX_ROWS", 100_000)
#: Source of samples that are posted without one.
TELEMETRY_SAMPLE_SOURCE = env.str("TELEMETRY_SAMPLE_SOURCE", "openstack")
#: Shared with who signs the samples that it posts: a signature that is sent must fit then.
TELEMETRY_SAMPLE_SECRET = secret("TELEMETRY_SAMPLE_SECRET")

# --- callers of the OpenStack doors --------------------------------------------------------
#: None where no Keystone is named. The names are those of OpenStack's own OS_… variables.
TELEMETRY_KEYSTONE = check_keystone(
    KeystoneAccess(
        auth_url=env.str("TELEMETRY_KEYSTONE_AUTH_URL", ""),
        username=env.str("TELEMETRY_KEYSTONE_USERNAME", ""),
        password=secret("TELEMETRY_KEYSTONE_PASSWORD"),
        project_name=env.str("TELEMETRY_KEYSTONE_PROJECT_NAME", "service"),
        user_domain_name=env.str("TELEMETRY_KEYSTONE_USER_DOMAIN_NAME", "Default"),
        project_domain_name=env.str("TELEMETRY_KEYSTONE_PROJECT_DOMAIN_NAME", "Default"),
        ca_file=env.str("TELEMETRY_KEYSTONE_CACERT", ""),
        timeout_s=env.float("TELEMETRY_KEYSTONE_TIMEOUT", 5.0),
        cache_s=env.float("TELEMETRY_KEYSTONE_CACHE_SECONDS", 60.0),
        region_name=env.str("TELEMETRY_KEYSTONE_REGION_NAME", ""),
        interface=env.str("TELEMETRY_KEYSTONE_INTERFACE", "public"),
    )
)
#: Whether callers are believed who they say they are: by a name (the clients' basic mode), or by
#: X-User-Id, X-Project-Id and X-Roles (their noauth mode). Only from peers in these networks.
TELEMETRY_BASIC_AUTH = env.bool("TELEMETRY_BASIC_AUTH", False)
TELEMETRY_NOAUTH = env.bool("TELEMETRY_NOAUTH", False)
refuse_contradiction(
    TELEMETRY_KEYSTONE,
    {"TELEMETRY_BASIC_AUTH": TELEMETRY_BASIC_AUTH, "TELEMETRY_NOAUTH": TELEMETRY_NOAUTH},
)
TELEMETRY_NOAUTH_NETWORKS = parse_networks(
    "TELEMETRY_NOAUTH_NETWORKS",
    env.list("TELEMETRY_NOAUTH_NETWORKS", default=["127.0.0.0/8", "::1"]),
)

# --- store ---------------------------------------------------------------------------------
#: Of metrics without an archive policy; 0: samples are kept for ever.
TELEMETRY_RETENTION_DAYS = env.int("TELEMETRY_RETENTION_DAYS", 400)
#: A slot of the head is closed and packed into chunks when it is so old or so large.
TELEMETRY_SLOT_SECONDS = env.int("TELEMETRY_SLOT_SECONDS", 1800)
TELEMETRY_SLOT_BYTES = env.int("TELEMETRY_SLOT_BYTES", 256 << 20)
#: Metadata keys that change at each poll: kept in the newest revision, not compared.
TELEMETRY_VOLATILE_METADATA = env.list(
    "TELEMETRY_VOLATILE_METADATA", default=["updated_at", "last_seen", "progress", "task_state"]
)
