from importlib import import_module

from django.apps import AppConfig


class TelemetrySiteConfig(AppConfig):
    name = "telemetry_site"
    label = "telemetry_site"

    def ready(self) -> None:
        import_module("telemetry_site.checks")  # registers them
