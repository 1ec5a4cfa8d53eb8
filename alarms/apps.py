from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "alarms"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from alarms.outbox import OLD_ROWS
        from meters.housekeeping import RULES

        RULES.extend(OLD_ROWS)
