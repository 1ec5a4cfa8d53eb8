"""Settings of the agents (compute, central, notification): a broker, no database."""

from telemetry_site.settings.base import *  # noqa: F403

INSTALLED_APPS = ["telemetry_site", "pollers"]
CELERY_IMPORTS = ["pollers.compute.tasks", "pollers.central.tasks", "pollers.notification.tasks"]
