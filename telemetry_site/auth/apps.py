from django.apps import AppConfig


class AuthConfig(AppConfig):
    name = "telemetry_site.auth"
    label = "telemetry_auth"
    verbose_name = "Access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from telemetry_site.auth import openapi, peer  # noqa: F401 - register themselves on import
