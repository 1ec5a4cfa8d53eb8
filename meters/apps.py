from django.apps import AppConfig


class MetersConfig(AppConfig):
    name = "meters"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from telemetry_site.database import read_times_fast

        read_times_fast()
